//! What sessions are made of, and is public.

use core::fmt::Write;
use core::hint::black_box;
use core::net::{IpAddr, SocketAddr};

use r2_core::chat::Nick;
use r2_core::files;
use r2_core::group::Group;
use r2_core::hex::{self, Hex};
use r2_core::line::LineReader;
use r2_core::mdns::{self, DnsMessage, Responder};
use r2_core::name::Name;
use r2_core::outbox::Outbox;
use r2_core::text::Cleaner;
use r2_core::time::Duration;

use crate::opaque::{bytes, name, now, room, text};

pub(crate) fn all() {
    names();
    lines();
    outbox();
    cleaner();
    times();
    slices();
    names_in_the_network();
}

fn names() {
    black_box(Name::parse(text()));
    black_box(Name::numbered(black_box(0)));
    let name = name();
    black_box(name.with_ending(text()));
    black_box((name.stem(), name.ending(), name.as_str()));
    black_box((name.number(), name.is_reserved()));
    black_box(Nick::parse(text()));
    black_box(hex::parse(text()));
}

fn lines() {
    let mut reader = black_box(LineReader::<64>::new());
    black_box(reader.take(bytes()));
    let mut reader = black_box(reader);
    black_box(reader.is_empty());
    let _ = black_box(files::parse::parse(black_box(reader.line())));
    reader.clear();
    black_box(reader);
}

fn outbox() {
    let mut outbox = black_box(Outbox::<64>::new());
    match black_box(0) {
        0 => {
            black_box(outbox.push(bytes()));
        }
        1 => outbox.leave(black_box(0)),
        2 => {
            black_box(outbox.drain_into(room()));
        }
        3 => {
            let digest = black_box([0; 32]);
            let _ = write!(outbox, "{} {} {}", Hex(&digest), name(), black_box(0_u64));
        }
        4 => outbox.clear(),
        _ => {
            black_box((outbox.is_empty(), outbox.room(), outbox.waiting()));
        }
    }
    black_box(outbox);
}

fn cleaner() {
    let mut cleaner = black_box(Cleaner::new());
    cleaner.clean(bytes(), |run| {
        black_box(run);
    });
    let mut cleaner = black_box(cleaner);
    cleaner.finish(|run| {
        black_box(run);
    });
    black_box(cleaner);
}

fn times() {
    let length = black_box(Duration::from_secs(black_box(0)));
    black_box((now() + length, now() - length, now().since(now())));
}

fn slices() {
    black_box(r2_core::bytes::copy(room(), bytes()));
}

fn names_in_the_network() {
    let ports = black_box([(text(), 0)]);
    let mut responder = black_box(Responder::new(text(), &ports, black_box(0)));
    match black_box(0) {
        0 => responder.moved(now(), &black_box([IpAddr::V4([0; 4].into()); 3])),
        1 => {
            let from = SocketAddr::new(black_box(IpAddr::V4([0; 4].into())), black_box(0));
            black_box(responder.receive(now(), from, bytes(), room()));
        }
        2 => {
            black_box(responder.transmit(now(), room()));
        }
        3 => responder.stop(now()),
        _ => {
            black_box((responder.poll_at(), responder.name()));
        }
    }
    black_box(responder);
    for record in DnsMessage::parse(bytes()).iter().flat_map(DnsMessage::records) {
        for label in record.target().into_iter().flat_map(mdns::DomainName::labels) {
            black_box(label);
        }
        black_box(record.name.is([bytes()]));
    }
    black_box(mdns::ask_for_address(text(), black_box(0), room()));
    black_box(mdns::ask_for_all(black_box(0), room()));
}
