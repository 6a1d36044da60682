//! One's own services, beside those that R2 always has.
//!
//! A service is a [`Session`](r2_core::session::Session), which is bytes in and bytes out, and a row in [`OWN`]. From
//! that row follow its port on every link, its line in the table that `serve` prints, its keys on the status page, and
//! the word by which `serve --with` asks for it. [`guess`] is one to copy.

pub mod guess;

use r2_disk::DiskStore;
use r2_links::Leaked;
use r2_node::Size;
use r2_node::service::{Registry, ServeError, ServiceId, Spec, never, whole};
use r2_services::{Netcat, Shared};

/// What a host's services are registered with.
type Services<'m> = Registry<'static, 'm, Shared<'static, DiskStore>, Leaked>;

/// A service that is served when it is asked for.
pub struct Own {
    /// What it is to the node; its name is what `--with` takes.
    pub spec: Spec,
    /// How netcat talks to it.
    pub netcat: Netcat,
    serve: fn(&mut Services<'_>, &'static Spec, Size) -> Result<ServiceId, ServeError>,
}

/// The table: a row for each.
pub const OWN: &[Own] = &[Own {
    spec: guess::SPEC,
    netcat: Netcat::new("nc R2 PORT"),
    serve: |r2, spec, size| r2.serve(spec, size, guess::Guess::new, whole, never),
}];

/// Registers those of the table that `names` names, with so many connections each.
pub(crate) fn register(services: &mut Services<'_>, names: &[String], size: Size) -> Result<(), ServeError> {
    for own in OWN
        .iter()
        .filter(|own| names.iter().any(|name| name == own.spec.name))
    {
        (own.serve)(services, &own.spec, size)?;
    }
    Ok(())
}

/// How netcat talks to a service, R2's or one of the table.
pub(crate) fn netcat(service: &str) -> Option<Netcat> {
    let own = || OWN.iter().find(|own| own.spec.name == service);
    Netcat::of(service).or_else(|| Some(own()?.netcat))
}
