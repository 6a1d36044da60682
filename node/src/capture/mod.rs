//! Frames for those who read along: each goes from the device straight into the transmit buffers of the open capture
//! connections, where it has room there whole, and is counted as lost where not. Nothing else holds it.

mod pcap;
mod tap;

use smoltcp::time::Instant;

pub use self::pcap::{Capture, FILE_HEADER, RECORD_HEADER, record_header};
pub(crate) use self::tap::{Captured, Captures, Recording};
#[cfg(feature = "segmentation-offload")]
use crate::transport::Transport;

/// A frame as it stands in a pcap file.
///
/// A super-frame of up to 64 KiB is recorded as it passed, in one piece: that is what R2 received or sent, its IP length
/// is true, and all bytes are there. A link that cuts those leaves TCP's and UDP's checksums to somebody else, so with
/// the feature `segmentation-offload` whole ones are recorded, and a reader who verifies them finds them correct.
pub struct Record<'f> {
    header: [u8; RECORD_HEADER],
    before: &'f [u8],
    checksum: Option<[u8; 2]>,
    behind: &'f [u8],
}

impl<'f> Record<'f> {
    /// `frame`, which passed at `at`, on a link whose frames have whole checksums or not.
    #[cfg_attr(
        not(feature = "segmentation-offload"),
        allow(unused_variables, reason = "none is filled in")
    )]
    pub fn new(at: Instant, frame: &'f [u8], whole_checksums: bool) -> Self {
        let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
        let record = Self {
            header: record_header(at.total_micros().unsigned_abs(), length),
            before: frame,
            checksum: None,
            behind: &[],
        };
        #[cfg(feature = "segmentation-offload")]
        if !whole_checksums
            && let Some((at, checksum)) = Transport::of(frame).and_then(|transport| transport.checksum())
            && let Some((before, rest)) = frame.split_at_checked(at)
            && let Some((_, behind)) = rest.split_at_checked(checksum.len())
        {
            return Self {
                before,
                checksum: Some(checksum),
                behind,
                ..record
            };
        }
        record
    }

    /// The bytes of the record, in pieces.
    pub fn pieces(&self) -> [&[u8]; 4] {
        let checksum = self.checksum.as_ref().map_or(&[][..], |bytes| bytes);
        [&self.header, self.before, checksum, self.behind]
    }
}
