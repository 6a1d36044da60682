//! [`Tee`]: writes every frame that passes a link into a pcap file.
//!
//! Frames are as R2 sees them: on a link with super-frames, of up to 64 KiB. A TCP or UDP checksum that the link
//! leaves to the kernel is filled in for the file, so that a reader who verifies it finds it correct.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use smoltcp::phy::{self, Device, DeviceCapabilities};
use smoltcp::time::Instant;

use crate::link::checksum;

/// The longest frame, said in the header: larger than any link's.
const SNAPLEN: u32 = 262_144;

/// Bytes before the first frame.
const HEADER: usize = 24;

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
    /// Checksums are not complete on this link.
    partial: bool,
    /// A frame in which they are completed.
    whole: Vec<u8>,
    error: Option<io::Error>,
}

impl<D: Device> Tee<D> {
    /// A link with a pcap file at `path`, or without one. What was in the file is gone.
    pub fn new(device: D, path: Option<&Path>) -> io::Result<Self> {
        let partial = !device.capabilities().checksum.tcp.tx();
        let file = RefCell::new(path.map(|path| PcapFile::create(path, partial)).transpose()?);
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
    fn create(path: &Path, partial: bool) -> io::Result<Self> {
        let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
        // Classic pcap in this machine's byte order, which the magic number tells: microseconds, version 2.4, no
        // time zone, Ethernet.
        out.write_all(&0xA1B2_C3D4_u32.to_ne_bytes())?;
        for half in [2u16, 4] {
            out.write_all(&half.to_ne_bytes())?;
        }
        for word in [0, 0, SNAPLEN, 1] {
            out.write_all(&word.to_ne_bytes())?;
        }
        out.flush()?;
        Ok(Self {
            out,
            partial,
            whole: Vec::with_capacity(if partial { BUFFER } else { 0 }),
            error: None,
        })
    }

    fn write(&mut self, frame: &[u8]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.error.is_none()
            && let Err(error) = self.try_write(now, frame)
        {
            self.error = Some(error);
        }
    }

    /// Writes a frame that passed at `now`, a time since 1970.
    fn try_write(&mut self, now: Duration, frame: &[u8]) -> io::Result<()> {
        let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
        // A full buffer goes out before, so that the file ends with a whole frame after every write.
        if self.out.capacity() - self.out.buffer().len() < 16 + frame.len() {
            self.out.flush()?;
        }
        // The format's seconds have 32 bits: unsigned, they last until 2106.
        #[allow(clippy::cast_possible_truncation)]
        let seconds = now.as_secs() as u32;
        for word in [seconds, now.subsec_micros(), length, length] {
            self.out.write_all(&word.to_ne_bytes())?;
        }
        if !self.partial {
            return self.out.write_all(frame);
        }
        self.whole.clear();
        self.whole.extend_from_slice(frame);
        checksum::fill(&mut self.whole);
        self.out.write_all(&self.whole)
    }
}

/// Writes whole frames, each with the time since 1970 at which it passed, into a new file at `path`.
pub fn write_all<'f>(path: &Path, frames: impl Iterator<Item = (Duration, &'f [u8])>) -> io::Result<()> {
    let mut file = PcapFile::create(path, false)?;
    for (at, frame) in frames {
        file.try_write(at, frame)?;
    }
    file.out.flush()
}

/// Reads a file of this machine's making: each frame with the time since 1970 at which it passed.
pub fn read_all(path: &Path) -> io::Result<Vec<(Duration, Vec<u8>)>> {
    let bytes = std::fs::read(path)?;
    let mut rest = bytes.get(HEADER..).ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut frames = Vec::new();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let word =
            |at: usize| u32::from_ne_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
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
        assert_eq!(bytes[..4], 0xA1B2_C3D4_u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 2u16.to_ne_bytes());
        assert_eq!(bytes[20..24], 1u32.to_ne_bytes());
        assert_eq!(bytes[32..40], [60u32.to_ne_bytes(); 2].concat());
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
