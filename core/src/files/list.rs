//! `LIST`: a line for each file, in name order, then `END`.

use core::fmt::Write;
use core::task::Poll;

use super::{Files, Then, claimed};
use crate::bug::OrBug;
use crate::hex::Hex;
use crate::store::{Entry, Store};
use crate::time::Instant;

impl Files {
    /// Writes the next line; `false` when there is none to write now. The outbox must be empty.
    // On a board its entry is not on the stack of a file that is sealed.
    #[cfg_attr(target_os = "none", inline(never))]
    pub(super) fn list<S: Store>(&mut self, now: Instant, store: &mut S) -> bool {
        let Some(ticket) = claimed(&mut self.ticket, store) else {
            return false;
        };
        match store.next(ticket, self.name.as_ref()) {
            Poll::Pending => return false,
            Poll::Ready(Err(why)) => self.refuse_for(now, why, Then::NextCommand, store),
            Poll::Ready(Ok(None)) => {
                self.outbox.write_str("END\n").or_bug("the outbox is empty");
                self.done(store);
            }
            Poll::Ready(Ok(Some(entry))) => {
                let Entry { name, length, sha256 } = entry;
                writeln!(self.outbox, "{name} {length} {}", Hex(&sha256))
                    .or_bug("it is shorter than STORED with the same words");
                self.name = Some(name);
                self.told = self.told.map(|_| now);
            }
        }
        true
    }
}
