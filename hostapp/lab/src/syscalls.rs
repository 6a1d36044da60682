//! A server and a client on kernel sockets, call by call, and what the same step is in smoltcp.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, getsockname, listen, socket,
};
use serde::Serialize;

use super::account::{Account, Part, Table};

/// A port that only the superuser may bind, on most machines.
const PRIVILEGED: u16 = 1023;

/// The calls that were made, and what they returned.
#[derive(Serialize)]
pub(super) struct SyscallFindings {
    experiment: &'static str,
    calls: Vec<Syscall>,
    errors: Vec<Syscall>,
    /// The port that the kernel has chosen for the client.
    #[serde(skip)]
    port: u16,
    /// What `bind()` returned for [`PRIVILEGED`].
    #[serde(skip)]
    privileged: nix::Result<()>,
}

/// A call that was made.
#[derive(Serialize)]
struct Syscall {
    who: &'static str,
    call: String,
    returned: String,
    /// What the same step is there.
    #[serde(skip)]
    smoltcp: &'static str,
}

fn call(who: &'static str, call: impl Into<String>, returned: String, smoltcp: &'static str) -> Syscall {
    Syscall {
        who,
        call: call.into(),
        returned,
        smoltcp,
    }
}

/// Makes the calls, on this machine's loopback.
pub(super) fn find() -> io::Result<SyscallFindings> {
    let (mut calls, mut errors) = (Vec::new(), Vec::new());
    let (stream, connection) = establish(&mut calls)?;
    let port = stream.local_addr()?.port();
    converse(&mut calls, stream, connection)?;
    let privileged = provoke(&mut errors)?;
    Ok(SyscallFindings {
        experiment: "syscalls",
        calls,
        errors,
        port,
        privileged,
    })
}

/// Tells of them.
pub(super) fn tell(findings: &SyscallFindings) -> Account {
    let parts = vec![
        Part::Text(
            "A server and a client on this machine's kernel, over loopback: each call, and what it returned."
                .into(),
        ),
        Part::Table(table(&findings.calls)),
        Part::Text(format!(
            "The server calls bind() because its clients must know the port beforehand. The client calls no bind(): connect() \
             lets the kernel choose a free port, here {}, and the server learns it from the SYN, as accept() shows. accept() \
             returns a socket of its own for each connection; the listening one goes on listening. shutdown() sends FIN and \
             still reads: that is the half-close of nc -N.",
            findings.port
        )),
        Part::Heading("Errors, provoked".into()),
        Part::Table(table(&findings.errors)),
        Part::Text(format!(
            "EADDRINUSE: a second server cannot bind the address of the first. ECONNREFUSED: the kernel answers a SYN for which \
             nobody listens with RST, as R2 does. {}.",
            tell_privileged(findings.privileged)
        )),
    ];
    Account::new("The socket calls of a server and a client", parts)
}

fn table(calls: &[Syscall]) -> Table {
    let mut table = Table::new(&["who", "call", "returned", "in smoltcp"]);
    for call in calls {
        table.row([
            call.who.into(),
            call.call.clone(),
            call.returned.clone(),
            call.smoltcp.into(),
        ]);
    }
    table
}

fn tell_privileged(returned: nix::Result<()>) -> String {
    match returned {
        Err(Errno::EACCES) => "Ports below 1024 belong to the superuser: EACCES".into(),
        Ok(()) => "This process may bind ports below 1024 (it is root, or net.ipv4.ip_unprivileged_port_start is lower), so \
                   there was no EACCES: run it as an ordinary user to see that"
            .into(),
        Err(other) => format!("Port {PRIVILEGED} answered {other:?} here"),
    }
}

/// Connects a client to a server: the client's end and the server's.
fn establish(trace: &mut Vec<Syscall>) -> io::Result<(TcpStream, TcpStream)> {
    let server = tcp_socket()?;
    trace.push(call(
        "server",
        "socket()",
        fd(&server),
        "tcp::Socket::new(rx, tx): the buffers are yours",
    ));
    bind(server.as_raw_fd(), &loopback(0))?;
    let at = address(&server)?;
    trace.push(call(
        "server",
        "bind(127.0.0.1, port 0)",
        format!("0: port {}", at.port()),
        "part of listen()",
    ));
    listen(&server, Backlog::new(1)?)?;
    trace.push(call(
        "server",
        "listen(backlog 1)",
        "0".into(),
        "listen(port): one socket is one connection; R2's gate holds further SYNs",
    ));
    let client = tcp_socket()?;
    trace.push(call("client", "socket()", fd(&client), "the same"));
    connect(client.as_raw_fd(), &loopback(at.port()))?;
    let client_at = address(&client)?;
    trace.push(call(
        "client",
        format!("connect(127.0.0.1, port {})", at.port()),
        format!("0: from port {}", client_at.port()),
        "connect(.., own port): returns at once, the caller chooses the port",
    ));
    let (connection, from) = TcpListener::from(server.try_clone()?).accept()?;
    trace.push(call(
        "server",
        "accept()",
        format!("{}: from port {}", connection.as_raw_fd(), from.port()),
        "nothing: the listening socket is the connection now",
    ));
    Ok((TcpStream::from(client), connection))
}

/// A question, and all that follows.
fn converse(trace: &mut Vec<Syscall>, mut stream: TcpStream, mut connection: TcpStream) -> io::Result<()> {
    let sent = stream.write(b"SECRET 7\n")?;
    trace.push(call(
        "client",
        "send(9 bytes)",
        sent.to_string(),
        "send_slice(): into the buffer, leaves at the next poll()",
    ));
    let mut bytes = [0; 64];
    let read = connection.read(&mut bytes)?;
    trace.push(call(
        "server",
        "recv(64 bytes)",
        read.to_string(),
        "recv_slice(): 0 where nothing is there, it never waits",
    ));
    stream.shutdown(Shutdown::Write)?;
    trace.push(call(
        "client",
        "shutdown(write)",
        "0".into(),
        "close(): sends FIN, reading goes on",
    ));
    finish(trace, stream, connection)
}

/// The answer to a half-closed client, and the end.
fn finish(trace: &mut Vec<Syscall>, mut stream: TcpStream, mut connection: TcpStream) -> io::Result<()> {
    let end = connection.read(&mut [0; 64])?;
    trace.push(call(
        "server",
        "recv(64 bytes)",
        end.to_string(),
        "may_recv() is false: CLOSE-WAIT",
    ));
    let sent = connection.write(b"Digits: 7 Count: 1\n")?;
    trace.push(call(
        "server",
        "send(19 bytes)",
        sent.to_string(),
        "send_slice(): CLOSE-WAIT may still send",
    ));
    drop(connection);
    trace.push(call(
        "server",
        "close()",
        "0".into(),
        "close(): FIN; abort() would be RST",
    ));
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer)?;
    trace.push(call(
        "client",
        "recv() until 0",
        read.to_string(),
        "recv_slice() until may_recv() is false",
    ));
    drop(stream);
    trace.push(call(
        "client",
        "close()",
        "0".into(),
        "TIME-WAIT: the socket is free after 10 s",
    ));
    Ok(())
}

/// Errors on purpose; what came of a port that only the superuser may bind, on most machines.
fn provoke(trace: &mut Vec<Syscall>) -> io::Result<nix::Result<()>> {
    let first = tcp_socket()?;
    bind(first.as_raw_fd(), &loopback(0))?;
    listen(&first, Backlog::new(1)?)?;
    let port = address(&first)?.port();
    let second = tcp_socket()?;
    let returned = bind(second.as_raw_fd(), &loopback(port));
    trace.push(call(
        "second server",
        format!("bind(port {port}), which listens already"),
        outcome(returned),
        "nothing: two sockets may listen on one port, the first free one takes the SYN",
    ));
    drop(first);
    let client = tcp_socket()?;
    let returned = connect(client.as_raw_fd(), &loopback(port));
    trace.push(call(
        "client",
        format!("connect(port {port}), where nobody listens now"),
        outcome(returned),
        "state() falls back to Closed when the RST comes",
    ));
    let server = tcp_socket()?;
    let returned = bind(server.as_raw_fd(), &loopback(PRIVILEGED));
    trace.push(call(
        "server",
        format!("bind(port {PRIVILEGED})"),
        outcome(returned),
        "nothing: there are no users, every port is free to take",
    ));
    Ok(returned)
}

fn tcp_socket() -> io::Result<OwnedFd> {
    Ok(socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::empty(),
        None,
    )?)
}

fn loopback(port: u16) -> SockaddrIn {
    SockaddrIn::new(127, 0, 0, 1, port)
}

fn address(socket: &OwnedFd) -> io::Result<SocketAddrV4> {
    let address: SockaddrIn = getsockname(socket.as_raw_fd())?;
    Ok(address.into())
}

fn fd(socket: &OwnedFd) -> String {
    socket.as_raw_fd().to_string()
}

fn outcome(returned: nix::Result<()>) -> String {
    match returned {
        Ok(()) => "0".into(),
        Err(error) => format!("-1: {error:?}"),
    }
}
