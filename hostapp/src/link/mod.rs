//! Where frames come from and go to.

use crate::cli::Link;

pub mod tap;

/// Opens what the user asked for. The error is one line that says what to do.
pub fn open(link: &Link) -> Result<tap::Tap, Box<dyn std::error::Error>> {
    match link {
        Link::Tap(name) => Ok(tap::Tap::open(name)?),
        Link::Auto => Ok(tap::Tap::open("tap0")?),
        Link::Local => Err("--link local is not built yet: use --link tap:NAME".into()),
    }
}
