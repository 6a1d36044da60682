//! The echo server that R2's is compared with: what one would write in C, with epoll on kernel sockets.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::AsRawFd;

use rustix::event::epoll::{CreateFlags, Event, EventData, EventFlags, add, create, wait};
use rustix::io::retry_on_intr;

/// What one read may bring.
const PIECE: usize = 16 * 1024;

/// Echoes until it is killed.
pub(crate) fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let epoll = create(CreateFlags::CLOEXEC)?;
    let key = |fd: &dyn AsRawFd| EventData::new_u64(fd.as_raw_fd().unsigned_abs().into());
    add(&epoll, &listener, key(&listener), EventFlags::IN)?;
    let mut peers = HashMap::new();
    let (mut events, mut piece) = (Vec::with_capacity(64), vec![0; PIECE]);
    loop {
        events.clear();
        // strace interrupts it.
        retry_on_intr(|| wait(&epoll, rustix::buffer::spare_capacity(&mut events), None))?;
        for Event { data, .. } in events.iter().copied() {
            if data.u64() == key(&listener).u64() {
                let (peer, _) = listener.accept()?;
                peer.set_nodelay(true)?;
                add(&epoll, &peer, key(&peer), EventFlags::IN)?;
                peers.insert(key(&peer).u64(), peer);
                continue;
            }
            let Some(peer) = peers.get_mut(&data.u64()) else {
                continue;
            };
            let echoed = peer.read(&mut piece).and_then(|count| {
                peer.write_all(&piece[..count])?;
                Ok(count)
            });
            if matches!(echoed, Ok(0) | Err(_)) {
                peers.remove(&data.u64());
            }
        }
    }
}
