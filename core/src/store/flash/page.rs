//! The page: the only thing that is ever written to the flash.
//!
//! ```text
//! 0          240    242     243    244      248     252    256
//! | payload   | used | kind  | 0    | object | start | crc  |
//! ```
//!
//! Numbers are little-endian. `used` bytes of the payload count, `object` is the number of the file or of the log
//! that the page belongs to, `start` the place of its first byte in the file or of its record in the log. A page
//! whose CRC-32 (ISO-HDLC) is wrong, torn by a power cut or blank, is no page.

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::bytes;
use crate::limits::FLASH_PAGE;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

const TRAILER: usize = 16;

/// What a page carries at most, in bytes.
pub(super) const PAYLOAD: usize = FLASH_PAGE - TRAILER;

/// What a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File = 0x46,
    Log = 0x4c,
}

/// What a page says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) kind: Kind,
    pub(super) object: u32,
    pub(super) start: u32,
}

/// One page.
pub(super) struct Page(pub(super) [u8; FLASH_PAGE]);

impl Page {
    pub(super) const BLANK: Self = Self([0xff; FLASH_PAGE]);

    /// A page with the front of `payload`, as much as fits.
    pub(super) fn new(label: Label, payload: &[u8]) -> Self {
        let mut page = Self([0; FLASH_PAGE]);
        let (place, _) = page.0.split_at_mut(PAYLOAD);
        let used = bytes::copy(place, payload);
        let [u0, u1, ..] = used.to_le_bytes();
        let [o0, o1, o2, o3] = label.object.to_le_bytes();
        let [s0, s1, s2, s3] = label.start.to_le_bytes();
        let kind = label.kind as u8;
        if let Some(trailer) = page.0.last_chunk_mut() {
            *trailer = [u0, u1, kind, 0, o0, o1, o2, o3, s0, s1, s2, s3, 0, 0, 0, 0];
        }
        let crc = page.crc().to_le_bytes();
        if let Some(end) = page.0.last_chunk_mut() {
            *end = crc;
        }
        page
    }

    /// What the page says of itself; `None` when it is none.
    pub(super) fn label(&self) -> Option<Label> {
        let [
            ..,
            u0,
            u1,
            kind,
            _,
            o0,
            o1,
            o2,
            o3,
            s0,
            s1,
            s2,
            s3,
            c0,
            c1,
            c2,
            c3,
        ] = self.0;
        let kind = match kind {
            kind if kind == Kind::File as u8 => Kind::File,
            kind if kind == Kind::Log as u8 => Kind::Log,
            _ => return None,
        };
        let is_whole = usize::from(u16::from_le_bytes([u0, u1])) <= PAYLOAD
            && self.crc() == u32::from_le_bytes([c0, c1, c2, c3]);
        is_whole.then_some(Label {
            kind,
            object: u32::from_le_bytes([o0, o1, o2, o3]),
            start: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }

    /// The bytes that count. The page must have a label.
    pub(super) fn payload(&self) -> &[u8] {
        let [.., u0, u1, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.0;
        self.0
            .get(..usize::from(u16::from_le_bytes([u0, u1])))
            .unwrap_or_default()
    }

    fn crc(&self) -> u32 {
        let (covered, _) = self.0.split_at(FLASH_PAGE - size_of::<u32>());
        CRC.checksum(covered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label {
        kind: Kind::File,
        object: 7,
        start: 960,
    };

    #[test]
    fn a_page_says_what_it_was_told() {
        let page = Page::new(LABEL, b"hello");
        assert_eq!((page.label(), page.payload()), (Some(LABEL), &b"hello"[..]));
        let full = Page::new(LABEL, &[1; PAYLOAD + 1]);
        assert_eq!(full.payload(), &[1; PAYLOAD]);
    }

    #[test]
    fn blank_flash_is_no_page() {
        assert_eq!(Page::BLANK.label(), None);
        assert_eq!(Page([0; FLASH_PAGE]).label(), None);
    }

    #[test]
    fn a_page_of_another_kind_is_no_page() {
        for kind in 0..=u8::MAX {
            let mut page = Page::new(LABEL, b"hello");
            page.0[PAYLOAD + 2] = kind;
            let crc = page.crc().to_le_bytes();
            page.0[FLASH_PAGE - crc.len()..].copy_from_slice(&crc);
            let known = [Kind::File, Kind::Log]
                .into_iter()
                .find(|known| *known as u8 == kind);
            assert_eq!(page.label().map(|label| label.kind), known, "{kind}");
        }
    }

    #[test]
    fn a_page_with_any_bit_changed_is_no_page() {
        for bit in 0..FLASH_PAGE * 8 {
            let mut page = Page::new(LABEL, b"hello");
            page.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(page.label(), None, "bit {bit}");
        }
    }
}
