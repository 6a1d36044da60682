//! Every session, in any state: each of its calls.

use core::hint::black_box;

use r2_core::chat::{Peer, Room, Seat};
use r2_core::client::chat::Chat;
use r2_core::client::exchange::{Failure, Outcome};
use r2_core::client::get::Get;
use r2_core::client::list::List;
use r2_core::client::remove::Remove;
use r2_core::client::secret::Ask;
use r2_core::client::send::Send;
use r2_core::diag::chargen::{self, Chargen};
use r2_core::diag::discard::Discard;
use r2_core::diag::echo::{self, Echo};
use r2_core::drop::Deposit;
use r2_core::files::Files;
use r2_core::io::Pump;
use r2_core::secret::{self, Secret};
use r2_core::session::{Over, Part, Session};
use r2_core::status::Status;

use crate::opaque::{Carrier, World, bytes, name, now, room, text};

pub(crate) fn all() {
    drive(Echo::new(), &mut World);
    drive(Discard::new(), &mut World);
    drive(Chargen::new(), &mut World);
    drive(Secret::new(), &mut World);
    drive(Deposit::new(), &mut World);
    drive(Files::new(), &mut World);
    drive(Status::new(), &mut World);
    drive(
        Part::new(Echo::new(), |world: &mut World| black_box(world)),
        &mut World,
    );
    chat();
    clients();
    pump();
    black_box(secret::answer(bytes(), room()));
    black_box(echo::answer(bytes(), room()));
    black_box(chargen::answer(room()));
}

/// One call of the session, any of them; what it leaves is any state of the next.
#[inline(never)]
fn drive<S: Session<W>, W>(session: S, world: &mut W) -> S {
    let mut session = black_box(session);
    match black_box(0) {
        0 => session.opened(now(), world),
        1 => {
            black_box(session.receive(now(), bytes(), world));
        }
        2 => {
            black_box(session.transmit(now(), room(), world));
        }
        3 => session.finished(now(), world),
        4 => session.over(now(), black_box(Over::Reset), world),
        5 => {
            black_box(session.poll_at());
        }
        _ => {
            black_box(session.wants());
        }
    }
    black_box(session)
}

fn chat() {
    let seats: &mut [Seat] = black_box(&mut []);
    if let Ok(room) = Room::new(room(), seats, text(), text()) {
        let mut room = black_box(room);
        black_box((room.revision(), room.host_quit()));
        drive(Peer::new(), &mut room);
        drive(Peer::host(), &mut room);
    }
}

fn clients() {
    if let Some(chat) = Chat::new(black_box(Some(text()))) {
        black_box(drive(chat, &mut World).is_shown());
    }
    let get = drive(Get::new(name()), &mut World);
    black_box((get.progress(), get.file()));
    look_at(get.outcome());
    let send = drive(Send::new(name()), &mut World);
    black_box(send.progress());
    look_at(send.outcome());
    look_at(drive(List::new(), &mut World).outcome());
    look_at(drive(Remove::new(name()), &mut World).outcome());
    black_box(drive(Ask::new(text()), &mut World).answer());
}

fn look_at(outcome: &Outcome) {
    if let Some(Err(Failure::Refused(refusal))) = outcome {
        black_box((refusal.code(), refusal.text()));
    }
}

#[inline(never)]
fn pump() {
    let pump: Pump<_, _, 512> = Pump::new(Carrier, Echo::new());
    let mut pump = black_box(pump);
    match black_box(0) {
        0 => {
            let _ = black_box(pump.step(now(), &mut World));
        }
        1 => pump.stop(now(), &mut World),
        _ => {
            black_box((
                pump.over(),
                pump.wants_to_write(),
                pump.session(),
                pump.connection(),
            ));
        }
    }
    black_box(pump);
}
