//! A server and a client on kernel sockets, call by call, and what the same step is in smoltcp.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, getsockname, listen,
    socket,
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
    descriptors: Vec<Syscall>,
    bound_client: Vec<Syscall>,
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
    let [mut calls, mut descriptors, mut bound_client, mut errors] = [const { Vec::new() }; 4];
    let (stream, connection) = establish(&mut calls)?;
    let port = stream.local_addr()?.port();
    converse(&mut calls, stream, connection)?;
    use_again(&mut descriptors)?;
    bind_client(&mut bound_client)?;
    let privileged = provoke(&mut errors)?;
    Ok(SyscallFindings {
        experiment: "syscalls",
        calls,
        descriptors,
        bound_client,
        errors,
        port,
        privileged,
    })
}

/// Tells of them.
pub(super) fn tell(findings: &SyscallFindings) -> Account {
    let parts = vec![
        Part::Text(
            "A server and a client on this machine's kernel, over loopback: each call, and what it returned. The last column is \
             the same step in smoltcp, R2's TCP."
                .into(),
        ),
        Part::Table(table(&findings.calls)),
        Part::Text(format!(
            "accept() returns a socket of its own for each connection; the listening one goes on listening, and another client's \
             SYN finds it. The client's port, {}, was chosen by connect(), and accept() shows it to the server. shutdown() sends \
             FIN and still reads: that is the half-close of nc -N.",
            findings.port
        )),
        Part::Heading("What socket() returns".into()),
        Part::Text(
            "A file descriptor: a small integer by which all later calls name the socket, always the lowest one that the process \
             does not use (POSIX). 0, 1 and 2 are its standard input, output and error, so a small program's first socket is 3. \
             A closed descriptor is given out again:"
                .into(),
        ),
        Part::Table(table(&findings.descriptors)),
        Part::Text(
            "On failure socket() returns -1, and errno says why, as the first row of the errors below shows; EMFILE would mean \
             that the process has as many descriptors as it may have. smoltcp has neither descriptors nor errno: a socket is a \
             value with buffers that the caller lends, and each call returns its own kind of error."
                .into(),
        ),
        Part::Heading("What bind() returns, and who calls it".into()),
        Part::Text(
            "0, or -1 with errno. The server calls it: its clients must know the port beforehand, so it names one. A client may \
             call it, as nc -p does, and need not: connect() gives a socket that has no port a free ephemeral one. Here a client \
             names its port:"
                .into(),
        ),
        Part::Table(table(&findings.bound_client)),
        Part::Heading("Errors, provoked".into()),
        Part::Table(table(&findings.errors)),
        Part::Text(format!(
            "Each call returned -1, and the name is that of errno. EPROTONOSUPPORT: a stream cannot be UDP's. EADDRINUSE: a \
             second server cannot bind the address on which the first listens. ECONNREFUSED: the kernel answers a SYN to a port \
             on which nobody listens with RST (RFC 9293, 3.5.2), as R2 does. {}.",
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
    let named = free_port()?;
    let server = tcp_socket()?;
    trace.push(call(
        "server",
        "socket()",
        fd(&server),
        "tcp::Socket::new(rx, tx): the buffers are yours",
    ));
    bind(server.as_raw_fd(), &loopback(named))?;
    let at = address(&server)?;
    trace.push(call(
        "server",
        format!("bind(127.0.0.1, port {named})"),
        "0".into(),
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
    let (connection, from) = TcpListener::from(server).accept()?;
    trace.push(call(
        "server",
        "accept()",
        format!("{}: from port {}", connection.as_raw_fd(), from.port()),
        "nothing: the listening socket is the connection now",
    ));
    Ok((TcpStream::from(client), connection))
}

/// A port of this machine that was free just now.
fn free_port() -> io::Result<u16> {
    let socket = tcp_socket()?;
    bind(socket.as_raw_fd(), &loopback(0))?;
    Ok(address(&socket)?.port())
}

/// Closes a descriptor while a higher one is open, and takes the next.
fn use_again(trace: &mut Vec<Syscall>) -> io::Result<()> {
    const NOTHING: &str = "nothing: there are no descriptors";
    let (first, second) = (tcp_socket()?, tcp_socket()?);
    let closed = fd(&first);
    trace.push(call("client", "socket()", closed.clone(), NOTHING));
    trace.push(call("client", "socket()", fd(&second), NOTHING));
    drop(first);
    trace.push(call("client", format!("close({closed})"), "0".into(), NOTHING));
    trace.push(call("client", "socket()", fd(&tcp_socket()?), NOTHING));
    Ok(())
}

/// Connects from a port that the client names.
fn bind_client(trace: &mut Vec<Syscall>) -> io::Result<()> {
    let server = tcp_socket()?;
    bind(server.as_raw_fd(), &loopback(0))?;
    listen(&server, Backlog::new(1)?)?;
    let (at, own) = (address(&server)?.port(), free_port()?);
    let client = tcp_socket()?;
    bind(client.as_raw_fd(), &loopback(own))?;
    trace.push(call(
        "client",
        format!("bind(127.0.0.1, port {own})"),
        "0".into(),
        "the own port of connect()",
    ));
    connect(client.as_raw_fd(), &loopback(at))?;
    trace.push(call(
        "client",
        format!("connect(127.0.0.1, port {at})"),
        format!("0: from port {}", address(&client)?.port()),
        "connect(.., own port)",
    ));
    Ok(())
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
    let returned = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::empty(),
        SockProtocol::Udp,
    );
    trace.push(call(
        "client",
        "socket(a stream of UDP)",
        outcome(returned.map(drop)),
        "nothing: tcp::Socket and udp::Socket are types",
    ));
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
