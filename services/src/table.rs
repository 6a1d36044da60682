//! The table of services: a name, a port and a session each.

use r2_core::store::Store;
use r2_core::time::Duration;
use r2_core::{chat, diag, drop, files, secret, status};
use r2_node::service::{Datagrams, Registry, Spec, never, whole};
use r2_node::{ServeError, Storage};

use crate::plan::Plan;
use crate::shared::Shared;

/// After how long a silent peer's upload or download is over: it holds large buffers, and its sender, who comes again,
/// has the name that it was stored under.
const BULK_SILENT_AFTER: Duration = Duration::from_secs(25);

/// Labelled two-way chat.
pub const CHAT: Spec = Spec {
    gives_way: false,
    ..Spec::new("chat", 5000)
};
/// Secret-code questions.
pub const SECRET: Spec = Spec {
    datagram: Some(Datagrams::Answer(secret::answer)),
    ..Spec::new("secret", 5010)
};
/// Raw uploads.
pub const DROP: Spec = Spec {
    silent_after: Some(BULK_SILENT_AFTER),
    ..Spec::new("drop", 5020)
}
.bulk();
/// Named uploads and downloads.
pub const FILES: Spec = Spec {
    silent_after: Some(BULK_SILENT_AFTER),
    ..Spec::new("files", 5030)
}
.bulk();
/// A page of `key: value` lines.
pub const STATUS: Spec = Spec::new("status", 5040);
/// RFC 862.
pub const ECHO: Spec = Spec {
    datagram: Some(Datagrams::Answer(diag::echo::answer)),
    ..Spec::new("echo", 7)
};
/// RFC 863.
pub const DISCARD: Spec = Spec {
    datagram: Some(Datagrams::Take),
    ..Spec::new("discard", 9)
}
.bulk();
/// RFC 864.
pub const CHARGEN: Spec = Spec {
    datagram: Some(Datagrams::Answer(|_, answer| Some(diag::chargen::answer(answer)))),
    ..Spec::new("chargen", 19)
}
.bulk();
/// Every frame that passes, as a pcap file.
pub const CAPTURE: Spec = Spec {
    gives_way: false,
    ..Spec::new("capture", 5050)
}
.bulk();

/// Offers every service of R2, as many connections of each as `plan` says; those of 0 connections not at all.
pub fn register<'a, S: Store + 'a, M: Storage<'a>>(
    registry: &mut Registry<'a, '_, Shared<'a, S>, M>,
    plan: &Plan,
) -> Result<(), ServeError> {
    if plan.chat.connections > 0 {
        let room_s = |w: &Shared<'a, S>| w.room.revision();
        registry.serve(&CHAT, plan.chat, chat::Peer::new, |w| &mut w.room, room_s)?;
    }
    if plan.secret.connections > 0 {
        registry.serve(&SECRET, plan.secret, secret::Secret::new, whole, never)?;
    }
    let store_s = |w: &Shared<'a, S>| w.store.revision();
    if plan.drop.connections > 0 {
        registry.serve(&DROP, plan.drop, drop::Deposit::new, |w| &mut w.store, store_s)?;
    }
    if plan.files.connections > 0 {
        registry.serve(&FILES, plan.files, files::Files::new, |w| &mut w.store, store_s)?;
    }
    if plan.status.connections > 0 {
        registry.serve(&STATUS, plan.status, status::Status::new, whole, never)?;
    }
    if plan.echo.connections > 0 {
        registry.serve(&ECHO, plan.echo, diag::echo::Echo::new, whole, never)?;
    }
    if plan.discard.connections > 0 {
        registry.serve(&DISCARD, plan.discard, diag::discard::Discard::new, whole, never)?;
    }
    if plan.chargen.connections > 0 {
        registry.serve(&CHARGEN, plan.chargen, diag::chargen::Chargen::new, whole, never)?;
    }
    if plan.capture.connections > 0 {
        registry.serve_capture(&CAPTURE, plan.capture)?;
    }
    Ok(())
}
