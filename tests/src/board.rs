//! A board that is emulated, running the firmware, at the other end of a namespace's TAP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::namespace::Namespace;
use crate::program::Program;

/// How long a test waits for a board: an emulator is many times slower than the host.
const PATIENCE: Duration = Duration::from_secs(90);

/// R2 on a board: what is typed to its console is R2's side of the chat.
pub struct Board {
    /// Its console and, on standard error, its log.
    pub console: Program,
}

impl Board {
    /// Starts the board called `name` on the namespace's `tap0`, with `folder` as the place of its flash, and waits
    /// until it is ready. The image must have been built: `tests/ci.sh firmware`.
    pub fn start(name: &str, namespace: &Namespace, folder: &Path) -> Self {
        Self::with_nic(name, namespace, folder, "tap,ifname=tap0,script=no,downscript=no")
    }

    /// The same, with something else than the TAP at the other end of its cable: what QEMU's option `-nic` calls it.
    pub fn with_nic(name: &str, namespace: &Namespace, folder: &Path, nic: &str) -> Self {
        let console = Self::run(name, namespace, folder, nic);
        console.complains("R2 ready at 192.168.69.1 on ");
        Self { console }
    }

    /// Runs the image called `name`, which need not be R2, and does not wait for anything.
    pub fn run(name: &str, namespace: &Namespace, folder: &Path, nic: &str) -> Program {
        let image = image(name);
        assert!(
            image.exists(),
            "{} is not there: tests/ci.sh firmware builds it",
            image.display()
        );
        let line = format!(
            "cd {} && R2_NIC={nic} TMPDIR={} exec {}/run-in-qemu {}",
            folder.display(),
            folder.display(),
            firmware().display(),
            image.display()
        );
        namespace.start(&line).patiently(PATIENCE)
    }

    /// Takes the power away: kills the emulator, and waits until it is gone.
    pub fn cut_the_power(mut self) {
        self.console.signal(Signal::KILL);
        self.console.wait();
    }
}

/// The folder of the boards.
pub fn firmware() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware")
}

/// Where the image called `name` is when it was built.
pub fn image(name: &str) -> PathBuf {
    let target = if name == "w5500-evb-pico" {
        "thumbv6m-none-eabi"
    } else {
        "thumbv7m-none-eabi"
    };
    firmware().join("target").join(target).join("release").join(name)
}
