//! What must hold at the end of every run.

use std::fs;
use std::path::Path;

use r2_core::hex::Hex;
use r2_core::secret;
use r2_disk::{DiskStore, Limits};
use r2_tests::store_suite::{Patient, digest, fetch, list};

use super::peer::{End, Peer};
use super::scenario::Role;

/// What a run has left.
pub(super) struct Found<'r> {
    /// What R2 keeps: names and bytes.
    pub(super) files: Vec<(String, Vec<u8>)>,
    /// The power went.
    pub(super) crashed: bool,
    /// No frame was lost.
    pub(super) calm: bool,
    /// Windows were taken back: a peer of smoltcp's may stall for ever, and never come to its FIN.
    pub(super) shrunk: bool,
    /// An idle connection gave way to a SYN that waited.
    pub(super) gave_way: bool,
    /// What R2's operator has seen.
    pub(super) console: &'r [u8],
}

/// Looks at everything; says what is wrong.
pub(super) fn all(roles: &[Role], peers: &[Peer], found: &Found<'_>, wrong: &mut Vec<String>) {
    let all = || roles.iter().zip(peers);
    for (name, bytes) in &found.files {
        if !is_right(name, bytes, found, all()) {
            wrong.push(format!("{name} is not what was sent ({} bytes)", bytes.len()));
        }
    }
    for (index, (role, peer)) in all().enumerate() {
        let mut says = |what: String| wrong.push(format!("peer {index}: {what}"));
        let orderly = peer.finished && peer.end == Some(End::Fin) && !found.shrunk && !found.gave_way;
        match role {
            Role::Drop(bytes) => dropped(bytes, peer, found, &mut says),
            Role::Put(name, bytes) => put(name, bytes, peer, found, &mut says),
            Role::Get(name) => got(name, peer, all(), &mut says),
            Role::Echo(bytes) if !begins_with(bytes, &peer.heard, orderly) => {
                says("the echo is another".into());
            }
            Role::Secret(asked) => answered(asked, peer, orderly, &mut says),
            Role::List(deleted) => listed(*deleted, peer, orderly, &all(), &mut says),
            Role::Status => told(peer, orderly, &mut says),
            Role::Discard | Role::Nobody if !peer.heard.is_empty() => says("it was answered".into()),
            Role::Chat(_) | Role::Echo(_) | Role::Discard | Role::Nobody => {}
        }
        let is_good = found.calm && !found.crashed && !found.shrunk && !found.gave_way;
        if !is_good || peer.broke_off {
            continue;
        }
        // Who waits for the chat may wait for longer than he is patient: nobody gives way there.
        if !peer.connected && !matches!(role, Role::Chat(_) | Role::Nobody) {
            says("R2 never answered it".into());
        }
        if peer.connected && peer.end != Some(End::Fin) {
            says("R2 broke its connection off".into());
        }
    }
    if !found.crashed {
        super::chat::all(roles, peers, found.console, wrong);
    }
}

/// Whether `heard` is the front of `expected`, and all of it where the conversation came to its end.
fn begins_with(expected: &[u8], heard: &[u8], whole: bool) -> bool {
    expected.starts_with(heard) && (!whole || expected.len() == heard.len())
}

/// Whether somebody sent what stands under that name.
fn is_right<'r>(
    name: &str,
    bytes: &[u8],
    found: &Found<'_>,
    all: impl Iterator<Item = (&'r Role, &'r Peer)>,
) -> bool {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending @ ("partial" | "unconfirmed"))) => (stem, ending),
        _ => (name, ""),
    };
    let mut all = all;
    all.any(|(role, peer)| match role {
        Role::Drop(sent) if stem.starts_with("drop-") => match ending {
            // Confirmed: by its receipt, which its peer has.
            "" => bytes == sent && peer.finished && heard_lines(peer).contains(&receipt(stem, sent)),
            // R2 gives up the wait for a FIN after a minute.
            "unconfirmed" => {
                let fin_came = peer.finished && found.calm && !found.shrunk;
                bytes == sent || (!fin_came && sent.starts_with(bytes))
            }
            // After a crash, anything.
            _ => true,
        },
        Role::Put(other, sent) => *other == stem && (ending == "partial" || bytes == sent),
        _ => false,
    })
}

fn receipt(name: &str, bytes: &[u8]) -> String {
    format!(
        "stored {name} {} bytes sha256 {}",
        bytes.len(),
        Hex(&digest(bytes))
    )
}

/// The whole lines that a peer has heard.
fn heard_lines(peer: &Peer) -> Vec<String> {
    let text = String::from_utf8_lossy(&peer.heard).into_owned();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(ToOwned::to_owned).collect()
}

fn dropped(sent: &[u8], peer: &Peer, found: &Found<'_>, says: &mut impl FnMut(String)) {
    for line in heard_lines(peer) {
        let Some(name) = line
            .strip_prefix("stored ")
            .and_then(|rest| rest.split(' ').next())
        else {
            continue;
        };
        // Before R2 gives up the wait for a FIN it says that it waits.
        let gave_up = heard_lines(peer).iter().any(|line| line.starts_with("waiting: "));
        let heard_out = peer.finished && !gave_up;
        if heard_out && line != receipt(name, sent) {
            says(format!("a wrong receipt: {line}"));
        }
        let kept = |name: &str| {
            let file = found.files.iter().find(|file| file.0 == name);
            file.is_some_and(|(_, bytes)| bytes == sent)
        };
        let confirmed = kept(name);
        if heard_out && !confirmed && !kept(&format!("{name}.unconfirmed")) && !sent.is_empty() {
            says(format!("{name} was acknowledged and is gone"));
        }
        // Whoever is there to the end, on a good wire, is believed.
        let stayed =
            heard_out && !peer.broke_off && peer.end == Some(End::Fin) && found.calm && !found.crashed;
        if stayed && !confirmed {
            says(format!("{name} is not confirmed"));
        }
    }
}

fn put(name: &str, sent: &[u8], peer: &Peer, found: &Found<'_>, says: &mut impl FnMut(String)) {
    let stored = format!("STORED {name} {} {}", sent.len(), Hex(&digest(sent)));
    for line in heard_lines(peer) {
        if line.starts_with("STORED") && line != stored {
            says(format!("a wrong answer: {line}"));
        }
        // It may have been replaced or deleted since; nobody deletes where the power goes.
        if line == stored && found.crashed && !found.files.iter().any(|file| file.0 == name) {
            says(format!("{name} was acknowledged and is gone"));
        }
    }
}

fn got<'r>(
    name: &str,
    peer: &Peer,
    all: impl Iterator<Item = (&'r Role, &'r Peer)>,
    says: &mut impl FnMut(String),
) {
    let Some(end) = peer.heard.iter().position(|byte| *byte == b'\n') else {
        return;
    };
    let (line, bytes) = (
        String::from_utf8_lossy(&peer.heard[..end]),
        &peer.heard[end + 1..],
    );
    let whole = peer.end == Some(End::Fin);
    let mut all = all;
    let is_sent = |sent: &[u8]| {
        line == format!("FILE {name} {} {}", sent.len(), Hex(&digest(sent)))
            && begins_with(sent, bytes, whole)
    };
    if line.starts_with("FILE")
        && !all.any(|(role, _)| matches!(role, Role::Put(other, sent) if *other == name && is_sent(sent)))
    {
        says(format!("{name} is none of its versions: {line}"));
    }
}

fn answered(asked: &[String], peer: &Peer, orderly: bool, says: &mut impl FnMut(String)) {
    let mut expected = Vec::new();
    for line in asked {
        let mut answer = [0; 2048];
        let length = secret::answer(line.as_bytes(), &mut answer).expect("a short string");
        expected.extend(&answer[..length]);
    }
    if !begins_with(&expected, &peer.heard, orderly) {
        says(format!(
            "wrong answers: {:?}",
            String::from_utf8_lossy(&peer.heard)
        ));
    }
}

/// A list names files that somebody has sent, and comes to its end.
fn listed<'r>(
    deleted: Option<&str>,
    peer: &Peer,
    orderly: bool,
    all: &(impl Iterator<Item = (&'r Role, &'r Peer)> + Clone),
    says: &mut impl FnMut(String),
) {
    let mut lines = heard_lines(peer).into_iter();
    if let Some(name) = deleted
        && let Some(line) = lines.next()
        && line != format!("DELETED {name}")
        && !line.starts_with("ERROR not-found ")
        && !line.starts_with("ERROR busy ")
    {
        says(format!("a wrong answer to DEL: {line}"));
    }
    let mut ended = false;
    for line in lines {
        let is_file = |(role, _): (&Role, &Peer)| match role {
            Role::Put(name, bytes) => line == format!("{name} {} {}", bytes.len(), Hex(&digest(bytes))),
            Role::Drop(bytes) => {
                let sum = format!(" {} {}", bytes.len(), Hex(&digest(bytes)));
                let number = line
                    .strip_suffix(&sum)
                    .and_then(|name| name.strip_prefix("drop-"));
                number.is_some_and(|number| number.parse::<u32>().is_ok())
            }
            _ => false,
        };
        // What was broken off is looked at where it lies.
        let is_broken_off = line.contains(".partial ") || line.contains(".unconfirmed ");
        if ended || (line != "END" && !is_broken_off && !all.clone().any(is_file)) {
            says(format!("a wrong line of a list: {line}"));
        }
        ended = line == "END";
    }
    if orderly && !ended {
        says("a list without an end".into());
    }
}

/// The status page is lines of `key: value`.
fn told(peer: &Peer, orderly: bool, says: &mut impl FnMut(String)) {
    let lines = heard_lines(peer);
    if let Some(line) = lines.iter().find(|line| !line.contains(": ")) {
        says(format!("a wrong line of the status page: {line}"));
    }
    let is_whole = lines.first().is_some_and(|line| line == "version: 1") && lines.len() > 40;
    if orderly && !is_whole {
        says(format!("{} lines of the status page", lines.len()));
    }
}

/// The files of a store: names and bytes. What a peer may not see now is left out.
pub(super) fn files_of<S: Patient>(store: &mut S) -> Vec<(String, Vec<u8>)> {
    let names = list(store).into_iter().filter_map(|line| {
        let (name, _) = line.rsplit_once(' ')?;
        Some(name.to_owned())
    });
    let names: Vec<_> = names.collect();
    names
        .into_iter()
        .filter_map(|name| Some((name.clone(), fetch(store, &name).ok()?)))
        .collect()
}

/// The files that the host's store finds in `folder`, and those that lie there under a final name.
pub(super) fn files_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let limits = Limits {
        tickets: 1,
        ..Limits::default()
    };
    let mut store = DiskStore::open(folder, limits).expect("a folder");
    let mut files = files_of(&mut store);
    drop(store);
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().into_string().expect("a name");
        if !name.starts_with('.') && !files.iter().any(|file| file.0 == name) {
            files.push((name, fs::read(entry.path()).expect("a file")));
        }
    }
    files
}
