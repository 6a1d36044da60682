//! What the log says of one file.

use super::page::PAYLOAD;
use crate::bug::OrBug;
use crate::bytes;
use crate::limits::NAME_MAX;
use crate::name::Name;
use crate::store::Digest;
use crate::store::directory::State;

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// What a file is now. It takes the place of what was said of it before, and, where it is whole, of the old
    /// whole file of its name.
    File(FileRecord),
    /// A file is gone.
    Deleted(u32),
    /// Everything that was alive when this log began has been said.
    Complete,
}

/// What the log says of a file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileRecord {
    pub(super) object: u32,
    pub(super) state: State,
    pub(super) name: Name,
    pub(super) announced: Option<(u64, Option<Digest>)>,
    /// In bytes; of no meaning while it arrives.
    pub(super) length: u32,
    /// Of no meaning while it arrives.
    pub(super) sha256: Digest,
}

/// The tag of [`Record::Deleted`]; those of files are their states.
const DELETED: u8 = 0x44;
/// The tag of [`Record::Complete`].
const COMPLETE: u8 = 0x43;

const SIZE: usize = 4 + 4 + 4 + 8 + 32 + 32 + NAME_MAX;
const _: () = assert!(SIZE <= PAYLOAD, "a record fits a page");

const fn tag(state: State) -> u8 {
    match state {
        State::Arriving => b'a',
        State::Partial => b'p',
        // After a crash nobody waits for the receipt any more.
        State::Sealed | State::Unconfirmed => b'u',
        State::Whole => b'w',
    }
}

impl Record {
    /// Writes the record into the front of a page's payload.
    pub(super) fn encode(&self) -> [u8; SIZE] {
        let mut writer = Writer([0; SIZE], 0);
        match self {
            Self::Complete => writer.put(&[COMPLETE]),
            Self::Deleted(object) => {
                writer.put(&[DELETED, 0, 0, 0]);
                writer.put(&object.to_le_bytes());
            }
            Self::File(file) => {
                let announced = file.announced.unwrap_or_default();
                let has = match file.announced {
                    None => 0,
                    Some((_, None)) => 1,
                    Some((_, Some(_))) => 2,
                };
                let name = file.name.as_str().as_bytes();
                let [length, ..] = name.len().to_le_bytes();
                writer.put(&[tag(file.state), length, has, 0]);
                writer.put(&file.object.to_le_bytes());
                writer.put(&file.length.to_le_bytes());
                writer.put(&announced.0.to_le_bytes());
                writer.put(&file.sha256);
                writer.put(&announced.1.unwrap_or_default());
                writer.put(name);
            }
        }
        writer.0
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when it did not.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let ([tag, name_length, has, _], rest) = payload.split_first_chunk()?;
        let (object, rest) = rest.split_first_chunk()?;
        let object = u32::from_le_bytes(*object);
        let state = match *tag {
            COMPLETE => return Some(Self::Complete),
            DELETED => return Some(Self::Deleted(object)),
            b'a' => State::Arriving,
            b'p' => State::Partial,
            b'u' => State::Unconfirmed,
            b'w' => State::Whole,
            _ => return None,
        };
        let (length, rest) = rest.split_first_chunk()?;
        let (announced_length, rest) = rest.split_first_chunk()?;
        let (sha256, rest) = rest.split_first_chunk()?;
        let (announced_sha256, rest) = rest.split_first_chunk()?;
        let name = core::str::from_utf8(rest.get(..usize::from(*name_length))?).ok()?;
        let announced = match has {
            0 => None,
            1 => Some((u64::from_le_bytes(*announced_length), None)),
            _ => Some((u64::from_le_bytes(*announced_length), Some(*announced_sha256))),
        };
        Some(Self::File(FileRecord {
            object,
            state,
            name: Name::parse(name)?,
            announced,
            length: u32::from_le_bytes(*length),
            sha256: *sha256,
        }))
    }
}

/// Fills an array from its front.
struct Writer([u8; SIZE], usize);

impl Writer {
    fn put(&mut self, field: &[u8]) {
        let behind = self.0.get_mut(self.1..).or_bug("all fields have room");
        self.1 = self.1.saturating_add(bytes::copy(behind, field));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_what_it_was_told() {
        let name = Name::parse(core::str::from_utf8(&[b'n'; NAME_MAX]).unwrap()).unwrap();
        for state in [State::Arriving, State::Partial, State::Unconfirmed, State::Whole] {
            for announced in [None, Some((1 << 40, None)), Some((5, Some([9; 32])))] {
                let record = Record::File(FileRecord {
                    object: 77,
                    state,
                    name: name.clone(),
                    announced,
                    length: 1_000_000,
                    sha256: [3; 32],
                });
                assert_eq!(Record::decode(&record.encode()), Some(record));
            }
        }
        for record in [Record::Complete, Record::Deleted(8)] {
            assert_eq!(Record::decode(&record.encode()), Some(record));
        }
        assert_eq!(Record::decode(&[]), None);
        assert_eq!(Record::decode(&[0; SIZE]), None);
    }
}
