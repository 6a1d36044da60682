//! [`Tee`]: writes every frame that passes a link into a pcap file.
//!
//! Each is a [`Record`], as a capture connection gets it; those of capture connections are in the file, too.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use r2_node::capture::Record;
use r2_node::capture::{FILE_HEADER, RECORD_HEADER};
use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

/// What is gathered before it goes to the file.
const BUFFER: usize = 256 * 1024;

/// A link, and perhaps a file in which every frame of it is written, in both directions.
pub struct Tee<D> {
    device: D,
    /// Shared by the two tokens of a frame that is answered; only one of them writes at a time.
    file: RefCell<Option<PcapFile>>,
}

/// A pcap file that is being written: of whole frames, whatever happens.
struct PcapFile {
    out: BufWriter<File>,
    /// The link's frames have their checksums.
    whole_checksums: bool,
    error: Option<io::Error>,
}

impl<D: Device> Tee<D> {
    /// A link with a pcap file at `path`, or without one. What was in the file is gone.
    pub fn new(device: D, path: Option<&Path>) -> io::Result<Self> {
        let whole_checksums = device.capabilities().checksum.tcp.tx();
        let file = path
            .map(|path| PcapFile::create(path, whole_checksums))
            .transpose()?;
        let file = RefCell::new(file);
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

    /// Brings what was gathered to the file: when there is nothing else to do, and at the end.
    ///
    /// The first error of the file is returned once, and nothing is written after it.
    pub fn flush(&mut self) -> io::Result<()> {
        let kept = self.file.get_mut();
        let Some(file) = kept else {
            return Ok(());
        };
        let flushed = match file.error.take() {
            Some(error) => Err(error),
            None => file.out.flush(),
        };
        if flushed.is_err() {
            *kept = None;
        }
        flushed
    }
}

impl PcapFile {
    fn create(path: &Path, whole_checksums: bool) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
        out.write_all(&FILE_HEADER)?;
        out.flush()?;
        Ok(Self {
            out,
            whole_checksums,
            error: None,
        })
    }

    fn write(&mut self, frame: &[u8]) {
        let now = unix_time(SystemTime::now());
        if self.error.is_none()
            && let Err(error) = self.try_write(now, frame)
        {
            self.error = Some(error);
        }
    }

    /// Writes a frame that passed at `now`, a time since 1970.
    fn try_write(&mut self, now: Instant, frame: &[u8]) -> io::Result<()> {
        let record = Record::new(now, frame, self.whole_checksums);
        let pieces = record.pieces();
        // A full buffer goes out before, so that the file ends with a whole frame after every write.
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if self.out.capacity() - self.out.buffer().len() < length {
            self.out.flush()?;
        }
        pieces.iter().try_for_each(|piece| self.out.write_all(piece))
    }
}

/// Writes whole frames, each with the time since 1970 at which it passed, into a new file at `path`.
pub fn write_all<'f>(path: &Path, frames: impl Iterator<Item = (Duration, &'f [u8])>) -> io::Result<()> {
    let mut file = PcapFile::create(path, true)?;
    for (at, frame) in frames {
        file.try_write(instant(at), frame)?;
    }
    file.out.flush()
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
        let file = &self.file;
        Some((RxToken { token: rx, file }, TxToken { token: tx, file }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let token = self.device.transmit(now)?;
        let file = &self.file;
        Some(TxToken { token, file })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

/// A frame that has arrived.
pub struct RxToken<'a, T> {
    token: T,
    file: &'a RefCell<Option<PcapFile>>,
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
    file: &'a RefCell<Option<PcapFile>>,
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

fn write(file: &RefCell<Option<PcapFile>>, frame: &[u8]) {
    if let Some(file) = file.borrow_mut().as_mut() {
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
        assert_eq!(std::fs::read(&path).unwrap().len(), 24, "gathered");
        tee.flush().unwrap();
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
            File::open(reader).unwrap().read_exact(&mut header).unwrap();
        });
        let mut tee = Tee::new(Loopback::new(Medium::Ethernet), Some(&path)).unwrap();
        reader.join().unwrap();
        let mut pass = || {
            tee.transmit(Instant::ZERO)
                .unwrap()
                .consume(60, |frame| frame.fill(7));
            tee.flush()
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
