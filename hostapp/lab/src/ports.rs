//! Which port of KALI's R2 sends to, and a connection from its beginning to its end.

use std::io;
use std::time::Duration;

use r2_services::SECRET;
use serde::Serialize;

use super::Evidence;
use super::account::{Account, Part, Table};
use super::kali::{Kali, Setting, Wishes};
use super::ladder::Ladder;
use super::packet::{Carries, Packet};

/// Connections that are open at the same time.
const CONNECTIONS: usize = 3;

/// The question of each connection.
const QUESTION: &str = "Ted is SECRET cool 7\n";
/// What R2 answers.
const ANSWER: &str = "Digits: 7 Count: 1\n";

/// Opens some connections, asks on each, closes them, and asks once by datagram. Returns KALI's port in each
/// connection.
pub(super) fn run(kali: &mut dyn Kali) -> io::Result<[u16; CONNECTIONS]> {
    let wishes = Wishes {
        nagle: false,
        delayed_ack: true,
    };
    kali.lose(kali.setting().loss);
    let mut connect = || kali.connect(SECRET.port, wishes);
    let open: [_; CONNECTIONS] = [connect()?, connect()?, connect()?];
    for connection in open {
        kali.write(connection, QUESTION.as_bytes())?;
        kali.read(connection, ANSWER.len())?;
    }
    for connection in open {
        kali.close(connection)?;
    }
    kali.ask(SECRET.port, QUESTION.as_bytes(), Duration::from_secs(1))?;
    Ok(open.map(|connection| kali.port(connection)))
}

/// What the frames show.
#[derive(Serialize)]
pub(super) struct PortFindings {
    experiment: &'static str,
    wire: String,
    connections: Vec<PortPair>,
    /// R2's answer to the datagram.
    #[serde(skip)]
    datagram: Option<Packet>,
    /// The first connection, from its beginning to its end.
    #[serde(skip)]
    first: Ladder,
    /// The same, as Wireshark lists it.
    #[serde(skip)]
    listed: Table,
}

#[derive(Serialize)]
struct PortPair {
    kali_port: u16,
    r2_port: u16,
    syn_frame: Packet,
    /// R2's first frame to that port.
    answer_frame: Packet,
}

/// Finds each connection, and what R2 sends to which port.
pub(super) fn find(setting: &Setting, made: [u16; CONNECTIONS], evidence: &Evidence) -> PortFindings {
    let packets = &evidence.packets[..];
    let connection = |&port: &u16| {
        let of_port = || packets.iter().filter(|packet| packet.is_of(port));
        let syn = of_port().find(|packet| !packet.from_r2 && packet.is_syn())?;
        let answer = of_port().find(|packet| packet.from_r2)?;
        Some(PortPair {
            kali_port: port,
            r2_port: syn.r2,
            syn_frame: syn.clone(),
            answer_frame: answer.clone(),
        })
    };
    let first = || packets.iter().filter(|packet| packet.is_of(made[0]));
    let mut datagrams = packets.iter().filter(|packet| packet.carries == Carries::Udp);
    PortFindings {
        experiment: "ports",
        wire: setting.wire.clone(),
        connections: made.iter().filter_map(connection).collect(),
        datagram: datagrams.find(|packet| packet.from_r2).cloned(),
        first: Ladder::of(first()),
        listed: wireshark(
            packets.first().map_or(Duration::ZERO, |packet| packet.at),
            first(),
        ),
    }
}

/// Tells it.
pub(super) fn tell(setting: &Setting, findings: &PortFindings) -> Account {
    let mut parts = vec![
        Part::Text(format!(
            "KALI opens {CONNECTIONS} connections to R2's port {} at the same time, on {}; KALI's TCP is {}'s.",
            SECRET.port,
            setting.described(),
            setting.kali
        )),
        Part::Table(table(&findings.connections)),
        Part::Text(format!(
            "R2 sends to the port from which KALI's SYN came; it is the source port in each of her segments. KALI's side chose \
             it when connect() was called, before the SYN left. Nobody told R2 beforehand, and R2 has no say in it. Such a port \
             is called ephemeral: it lasts as long as the connection. {}. R2's own port is the same in all {CONNECTIONS}; what \
             tells the connections apart is the 4-tuple of both addresses and both ports (RFC 9293, 3.4.1).",
            range(setting)
        )),
    ];
    if let Some(packet) = &findings.datagram {
        parts.push(Part::Text(format!(
            "The same holds for a datagram: R2 answers to the port that the question came from, {} in frame {}.",
            packet.kali, packet.number
        )));
    }
    parts.extend([
        Part::Heading("A connection from its beginning to its end".into()),
        Part::Text(
            "SYN, SYN-ACK and ACK establish it and agree on the first sequence numbers (RFC 9293, 3.5). Each byte has a number: \
             seq is that of the first one in the segment, ack the one that its sender expects next, and so acknowledges all \
             before. FIN ends one direction and takes a number too; the other may go on sending until its own FIN (3.6). Each \
             arrow of this ladder is a frame."
                .into(),
        ),
        Part::Ladder(findings.first.clone()),
        Part::Heading("The same frames, as Wireshark lists them".into()),
        Part::Text(format!(
            "The filter is tcp.port == {}. Wireshark takes R2's port {} for a protocol called IPSICTL; Analyze, Decode As..., \
             (none) lists the frames as here, and so does tshark --disable-protocol ipsictl. If hostapp serve runs without a TAP, \
             its own capture (port 5050) shows the TCP between R2 and the gateway in its process: the ports and the bytes are \
             netcat's, the packets are not. To see netcat's packets give R2 a TAP, or run tcpdump -i lo.",
            findings.connections.first().map_or(0, |first| first.kali_port),
            SECRET.port
        )),
        Part::Table(findings.listed.clone()),
    ]);
    Account::new("Ports, and a connection's life", parts)
}

/// Wireshark's columns of these packets of a connection; the capture began at `from`.
fn wireshark<'p>(from: Duration, packets: impl Iterator<Item = &'p Packet>) -> Table {
    let mut table = Table::new(&[
        "No.",
        "Time",
        "Source",
        "Destination",
        "Protocol",
        "Length",
        "Info",
    ]);
    for packet in packets {
        let [source, destination] = packet.addresses.map(|address| address.to_string());
        table.row([
            packet.number.to_string(),
            format!("{:.6}", packet.at.saturating_sub(from).as_secs_f64()),
            source,
            destination,
            "TCP".into(),
            packet.length.to_string(),
            info(packet),
        ]);
    }
    table
}

/// What Wireshark says of a segment.
fn info(packet: &Packet) -> String {
    let Carries::Tcp {
        syn,
        fin,
        rst,
        push,
        seq,
        ack,
        window,
        mss,
    } = packet.carries
    else {
        return String::new();
    };
    let flags = [
        (fin, "FIN"),
        (syn, "SYN"),
        (rst, "RST"),
        (push, "PSH"),
        (ack.is_some(), "ACK"),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
    let (from, to) = if packet.from_r2 {
        (packet.r2, packet.kali)
    } else {
        (packet.kali, packet.r2)
    };
    let ack = ack.map_or(String::new(), |ack| format!(" Ack={ack}"));
    let mss = mss.map_or(String::new(), |mss| format!(" MSS={mss}"));
    format!(
        "{from} \u{2192} {to} [{}] Seq={seq}{ack} Win={window} Len={}{mss}",
        flags.collect::<Vec<_>>().join(", "),
        packet.payload.len()
    )
}

fn table(connections: &[PortPair]) -> Table {
    let mut table = Table::new(&[
        "connection",
        "KALI's port",
        "R2's port",
        "first SYN",
        "R2's first frame to that port",
    ]);
    for (connection, index) in connections.iter().zip(1..) {
        let to_kali = |frame: &Packet| format!("{} at frame {}", frame.kali, frame.number);
        table.row([
            format!("connection {index}"),
            connection.kali_port.to_string(),
            connection.r2_port.to_string(),
            to_kali(&connection.syn_frame),
            to_kali(&connection.answer_frame),
        ]);
    }
    table
}

/// Where KALI's side takes such ports from.
fn range(setting: &Setting) -> String {
    if setting.in_memory {
        return "Here it counts up from 49152, where the dynamic ports begin (RFC 6335)".into();
    }
    match std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range") {
        Ok(range) => {
            let ends: Vec<_> = range.split_whitespace().collect();
            format!(
                "Linux takes it from its range of ephemeral ports, here {}",
                ends.join(" to ")
            )
        }
        Err(_) => "The kernel takes it from its range of ephemeral ports".into(),
    }
}
