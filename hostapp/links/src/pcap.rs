//! [`Tee`]: writes every frame that passes a link into a pcap file.
//!
//! Each is a [`Record`], as a capture connection gets it; those of capture connections are in the file, too.

mod output;
mod queue;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use r2_node::capture::{FILE_HEADER, RECORD_HEADER, Record};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

use self::output::{Opened, Output};
use self::queue::Queue;

/// A link, and perhaps a file in which every frame of it is written, in both directions.
pub struct Tee<D> {
    device: D,
    file: Option<PcapFile>,
}

/// A pcap file that a thread of its own writes: of whole frames, whatever happens. Frames that come faster than it takes
/// them are lost, so that it never holds up the link.
struct PcapFile {
    queue: Arc<Queue>,
    /// The link's frames have their checksums.
    whole_checksums: bool,
}

impl<D: Device> Tee<D> {
    /// A link with a pcap file at `path`, `-` for standard output, or without one. What was in the file is gone. A pipe
    /// that nobody reads yet, or any more, holds up nothing but its frames.
    pub fn new(device: D, path: Option<&Path>) -> io::Result<Self> {
        let whole_checksums = device.capabilities().checksum.tcp.tx();
        let file = path
            .map(|path| PcapFile::create(path, whole_checksums))
            .transpose()?;
        Ok(Self { device, file })
    }

    /// The link.
    pub fn device(&self) -> &D {
        &self.device
    }

    /// The link.
    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    /// Lets what was gathered be written: when there is nothing else to do. It does not wait.
    ///
    /// The first error of the file is returned once. Nothing is written after it: every frame is lost.
    pub fn pass_on(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.queue.pass_on();
        file.queue.take_error().map_or(Ok(()), Err)
    }

    /// Ends the file with all that has passed. Waits as long as it takes something.
    pub fn finish(&mut self) -> io::Result<()> {
        let Some(file) = self.file.take() else {
            return Ok(());
        };
        let whole = file.queue.end();
        match file.queue.take_error() {
            Some(error) => Err(error),
            None if whole => Ok(()),
            None => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "nobody takes its last frames",
            )),
        }
    }

    /// How many frames were lost since this was asked last: the file did not take them fast enough, or has ended.
    pub fn take_lost(&self) -> u64 {
        self.file.as_ref().map_or(0, |file| file.queue.take_lost())
    }
}

impl PcapFile {
    fn create(path: &Path, whole_checksums: bool) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let writer = queue.clone();
        let opened = Output::open(path)?;
        if let Opened::Unread(path) = &opened {
            let path = path.display();
            log::info!("nobody reads {path} yet: R2 serves, and the first frames wait for its reader");
        } else {
            queue.opened();
        }
        r2_threads::spawn("pcap", move || {
            let written = write_queue(&writer, opened);
            writer.close(written.err());
        })?;
        Ok(Self {
            queue,
            whole_checksums,
        })
    }

    /// Writes a frame that passes now.
    fn write(&self, frame: &[u8]) {
        let now = unix_time(SystemTime::now());
        self.queue
            .put(&Record::new(now, frame, self.whole_checksums).pieces());
    }
}

/// Writes what comes, until no more does.
fn write_queue(queue: &Queue, opened: Opened) -> io::Result<()> {
    let mut output = opened.begin()?;
    queue.opened();
    let mut records = Vec::new();
    while queue.take(&mut records) {
        output.write(&records, queue)?;
        records.clear();
    }
    Ok(())
}

/// Writes whole frames, each with the time since 1970 at which it passed, into a new file at `path`.
pub fn write_all<'f>(path: &Path, frames: impl Iterator<Item = (Duration, &'f [u8])>) -> io::Result<()> {
    let mut output = Output::open(path)?.begin()?;
    let records: Vec<_> = frames
        .flat_map(|(at, frame)| Record::new(instant(at), frame, true).pieces().concat())
        .collect();
    output.write(&records, &Queue::default())
}

/// Reads a file of our making: each frame with the time since 1970 at which it passed.
pub fn read_all(path: &Path) -> io::Result<Vec<(Duration, Vec<u8>)>> {
    let bytes = std::fs::read(path)?;
    let mut rest = bytes
        .get(FILE_HEADER.len()..)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<RECORD_HEADER>() {
        let word =
            |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let at = Duration::from_secs(word(0).into()) + Duration::from_micros(word(4).into());
        let length = usize::try_from(word(8)).map_err(io::Error::other)?;
        let (frame, next) = behind
            .split_at_checked(length)
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        frames.push((at, frame.to_vec()));
        rest = next;
    }
    Ok(frames)
}

/// `at` as a time since the beginning of 1970.
pub fn unix_time(at: SystemTime) -> Instant {
    instant(at.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn instant(since: Duration) -> Instant {
    Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

impl<D: Device> Device for Tee<D> {
    type RxToken<'a>
        = RxToken<'a, D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, D::TxToken<'a>>
    where
        Self: 'a;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (rx, tx) = self.device.receive(now)?;
        let file = self.file.as_ref();
        Some((RxToken { token: rx, file }, TxToken { token: tx, file }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let token = self.device.transmit(now)?;
        let file = self.file.as_ref();
        Some(TxToken { token, file })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame that has arrived.
pub struct RxToken<'a, T> {
    token: T,
    file: Option<&'a PcapFile>,
}

impl<T: phy::RxToken> phy::RxToken for RxToken<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, use_frame: F) -> R {
        self.token.consume(|frame| {
            write(self.file, frame);
            use_frame(frame)
        })
    }

    fn meta(&self) -> phy::PacketMeta {
        self.token.meta()
    }
}

/// Room for a frame to send.
pub struct TxToken<'a, T> {
    token: T,
    file: Option<&'a PcapFile>,
}

impl<T: phy::TxToken> phy::TxToken for TxToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
        self.token.consume(length, |frame| {
            let result = fill(frame);
            write(self.file, frame);
            result
        })
    }

    fn set_meta(&mut self, meta: phy::PacketMeta) {
        self.token.set_meta(meta);
    }
}

fn write(file: Option<&PcapFile>, frame: &[u8]) {
    if let Some(file) = file {
        file.write(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smoltcp::phy::{Loopback, Medium, RxToken as _, TxToken as _};
    use std::io::Read;

    #[test]
    fn every_frame_is_in_the_file_once_for_each_direction() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("f.pcap");
        let mut tee = Tee::new(Loopback::new(Medium::Ethernet), Some(&path)).unwrap();
        let token = tee.transmit(Instant::ZERO).unwrap();
        token.consume(60, |frame| frame.fill(7));
        let (token, _) = tee.receive(Instant::ZERO).unwrap();
        token.consume(|frame| assert_eq!(frame, [7; 60]));
        tee.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 24 + 2 * (16 + 60));
        assert_eq!(bytes[..4], 0xA1B2_C3D4_u32.to_le_bytes());
        assert_eq!(bytes[4..6], 2u16.to_le_bytes());
        assert_eq!(bytes[20..24], 1u32.to_le_bytes());
        assert_eq!(bytes[32..40], [60u32.to_le_bytes(); 2].concat());
        assert_eq!(bytes[40..100], [7; 60]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_once_and_frames_pass() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let reader = path.clone();
        // Takes the header and is gone.
        let reader = std::thread::spawn(move || {
            let mut header = [0; 24];
            std::fs::File::open(reader)
                .unwrap()
                .read_exact(&mut header)
                .unwrap();
        });
        let mut tee = Tee::new(Loopback::new(Medium::Ethernet), Some(&path)).unwrap();
        reader.join().unwrap();
        let mut pass = || {
            tee.transmit(Instant::ZERO)
                .unwrap()
                .consume(60, |frame| frame.fill(7));
            tee.pass_on()
        };
        // More than one frame may pass: a program that another test starts right now holds a copy of every
        // descriptor until its exec, this pipe's reading end included.
        let error = std::iter::repeat_with(&mut pass).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(pass().is_ok(), "told once");
        assert!(tee.receive(Instant::ZERO).is_some());
        assert!(Tee::new(Loopback::new(Medium::Ethernet), Some(Path::new("/dev/full"))).is_err());
    }
}
