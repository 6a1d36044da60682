//! The machine that has a name.

use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};

use super::records::{Manner, Own, Records, Set, own_message};
use super::wire::{ANY, DnsMessage, DnsRecord, DnsWriter, LABEL_MAX, Section};
use super::{PORT, probe};
use crate::group::Group;
use crate::time::{Duration, Instant};

/// Probes, and the time between two of them (RFC 6762, section 8.1).
const PROBES: u8 = 3;
const BETWEEN_PROBES: Duration = Duration::from_millis(250);

/// How long who has lost a tie waits before it asks again (section 8.2).
const AFTER_TIE: Duration = Duration::from_secs(1);

/// Announcements, and the time between two of them (section 8.3).
const ANNOUNCEMENTS: u8 = 2;
const BETWEEN_ANNOUNCEMENTS: Duration = Duration::from_secs(1);

/// So many names lost, and each further one waits that long (section 8.1), until none was lost for a while: somebody
/// claims whatever R2 asks for.
const CONFLICTS_MAX: u8 = 15;
const NO_CONFLICT_FOR: Duration = Duration::from_secs(10);
const AFTER_CONFLICTS: Duration = Duration::from_secs(5);

/// How long no record is sent to the group again, and none to who claims its name (section 6).
const SENT_AGAIN_AFTER: Duration = Duration::from_secs(1);
const DEFENDED_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// What others may have as well is answered after 20 to 120 ms, so that not all speak at once; a question that goes on in
/// further messages after 400 to 500 ms (sections 6 and 7.2).
const SHARED_AFTER: (u32, u32) = (20, 100);
const TRUNCATED_AFTER: (u32, u32) = (400, 100);

/// A record that was told to all within a quarter of its life is told to who asks alone, if that suffices (section 5.4).
const TOLD_LATELY: Duration = Duration::from_secs(30);

/// A machine's name in its network, and that it is an R2.
pub struct Responder<'a> {
    /// The name that was wished for, without a number.
    base: &'a str,
    /// How many have had that name before.
    number: u32,
    records: Records<'a>,
    state: State,
    /// What is to be told to all, and when; those of `urgent` defend the name.
    pending: Set,
    urgent: Set,
    pending_at: Instant,
    /// A question whose known answers are still coming.
    truncated: Option<Truncated>,
    /// When each record was told to all.
    told_at: [Option<Instant>; Own::ALL.len()],
    conflicts: u8,
    last_conflict: Instant,
    random: u32,
}

/// Where it is with its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It has no address that it could tell.
    Nowhere,
    /// It asks whether anybody has the name: so often until now, and again at this time.
    Probing(u8, Instant),
    /// It tells that the name is its own: so often until now, and again at this time.
    Announcing(u8, Instant),
    /// The name is its own.
    Known,
    /// It is to say goodbye.
    Leaving(Instant),
    /// It says nothing more.
    Gone,
}

struct Truncated {
    from: SocketAddr,
    asked: Set,
    at: Instant,
}

impl<'a> Responder<'a> {
    /// A machine that wishes to be called `name`, a label of 1 to 63 bytes, and has these services at these ports. `random`
    /// is any number: it tells when it speaks, so that machines that start at the same time do not speak at the same time.
    pub fn new(name: &'a str, ports: &'a [(&'a str, u16)], random: u32) -> Self {
        let mut responder = Self {
            base: name,
            number: 1,
            records: Records {
                label: heapless::String::new(),
                ports,
                addresses: heapless::Vec::new(),
            },
            state: State::Nowhere,
            pending: Set::NONE,
            urgent: Set::NONE,
            pending_at: Instant::default(),
            truncated: None,
            told_at: [None; Own::ALL.len()],
            conflicts: 0,
            last_conflict: Instant::default(),
            random: random | 1,
        };
        responder.call_itself();
        responder
    }

    /// The first label of its name, which is its own as far as it knows; `None` before that.
    pub fn name(&self) -> Option<&str> {
        matches!(self.state, State::Announcing(..) | State::Known).then_some(&self.records.label)
    }

    /// The name that belongs to its number: `r2`, `r2-2`, `r2-3` and so on.
    fn call_itself(&mut self) {
        let mut number = heapless::String::<11>::new();
        if self.number > 1 && write!(number, "-{}", self.number).is_err() {
            bug!("a number of 32 bits has at most ten digits");
        }
        let room = usize::from(LABEL_MAX).saturating_sub(number.len());
        let label = &mut self.records.label;
        label.clear();
        let fits = |text: &mut heapless::String<_>, c| text.len() < room && text.push(c).is_ok();
        for c in self.base.chars() {
            if !fits(label, c) {
                break;
            }
        }
        if label.push_str(&number).is_err() {
            bug!("room was left for it");
        }
    }

    /// A time between the first of `range`, in milliseconds, and so much more.
    fn some_time(&mut self, (least, more): (u32, u32)) -> Duration {
        // Xorshift: it need not be unforeseeable.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let over = self.random.checked_rem(more).unwrap_or(0);
        Duration::from_millis(least.saturating_add(over).into())
    }

    fn probe(&mut self, at: Instant) {
        self.state = State::Probing(0, at);
        (self.pending, self.urgent, self.truncated) = (Set::NONE, Set::NONE, None);
        self.told_at = [None; Own::ALL.len()];
    }

    /// Somebody else has the name: it asks once more for one that it had, and takes the next instead of one that it asked
    /// for.
    fn lose(&mut self, now: Instant) {
        if now.since(self.last_conflict) > NO_CONFLICT_FOR {
            self.conflicts = 0;
        }
        (self.conflicts, self.last_conflict) = (self.conflicts.saturating_add(1), now);
        if matches!(self.state, State::Probing(..)) {
            self.number = self.number.saturating_add(1);
            self.call_itself();
            info!(
                "somebody has that name: this is {}.local now",
                self.records.label.as_str()
            );
        }
        let wait = if self.conflicts > CONFLICTS_MAX {
            AFTER_CONFLICTS
        } else {
            self.some_time((0, 250))
        };
        self.probe(now + wait);
    }

    /// Hears what another machine says.
    fn hear(&mut self, now: Instant, message: &DnsMessage<'_>, own: &DnsMessage<'_>) {
        let probing = match self.state {
            State::Probing(sent, _) => sent > 0,
            State::Announcing(..) | State::Known => false,
            State::Nowhere | State::Leaving(_) | State::Gone => return,
        };
        for record in message.records().filter(|record| record.ttl > 0 || !probing) {
            let which = self.records.which(&record);
            let same = own.records().find(|mine| is_same(mine, &record));
            if let Some(mine) = same {
                // Others would forget it too early (section 6.6).
                if let Some(which) = which.filter(|_| !probing && record.ttl < mine.ttl / 2) {
                    self.tell(Set::of(&[which]), now);
                }
                continue;
            }
            // Of what it asks for nobody is to have any record; of what it has, none of its types (sections 8.1 and 9).
            let is_rival =
                self.records.is_mine(record.name) && (probing || which.is_some_and(|w| w != Own::Nsec));
            if is_rival && record.ttl > 0 {
                return self.lose(now);
            }
        }
    }

    /// Tells all of these at `at` at the latest, or as soon as they may be told again.
    fn tell(&mut self, set: Set, at: Instant) {
        if set == Set::NONE {
            return;
        }
        if self.pending == Set::NONE || at < self.pending_at {
            self.pending_at = at;
        }
        self.pending = self.pending.with(set);
    }

    /// When each of what is pending may be told again.
    fn due_at(&self, own: Own) -> Instant {
        let again = if self.urgent.has(own) {
            DEFENDED_AGAIN_AFTER
        } else {
            SENT_AGAIN_AFTER
        };
        let told = self.told_at.get(own as usize).copied().flatten();
        told.map_or(self.pending_at, |told| self.pending_at.max(told + again))
    }

    fn was_told_within(&self, own: Own, time: Duration, now: Instant) -> bool {
        let told = self.told_at.get(own as usize).copied().flatten();
        told.is_some_and(|told| now.since(told) < time)
    }

    /// Answers a question: at once to its sender alone, the length of that; or to all, later.
    fn answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        question: &DnsMessage<'_>,
        room: &mut [u8],
    ) -> Option<usize> {
        if !matches!(self.state, State::Announcing(..) | State::Known) {
            return None;
        }
        let own = own_message(&self.records, room)?;
        let (mut to_all, mut to_one) = (Set::NONE, Set::NONE);
        for asked in question.questions() {
            let answers = self.records.answers(&asked);
            let set = if asked.unicast { &mut to_one } else { &mut to_all };
            *set = set.with(answers);
        }
        let known = Set::ANNOUNCED.filter(|which| self.is_known(which, question, &own));
        (to_all, to_one) = (to_all.without(known), to_one.without(known));
        if from.port() != PORT {
            return self.answer_one(to_all.with(to_one), question, Manner::Legacy, room);
        }
        if let Some(truncated) = self.truncated.as_mut().filter(|waiting| waiting.from == from) {
            truncated.asked = truncated.asked.without(known);
        }
        let claims = question
            .all_records()
            .any(|record| record.section == Section::Authority && self.records.is_mine(record.name));
        if claims {
            self.urgent = self.urgent.with(to_one.with(to_all));
            self.tell(to_one.with(to_all), now);
            return None;
        }
        let lately = to_one.filter(|which| self.was_told_within(which, TOLD_LATELY, now));
        to_all = to_all.with(to_one.without(lately));
        if question.is_truncated() && self.truncated.is_none() {
            let at = now + self.some_time(TRUNCATED_AFTER);
            self.truncated = Some(Truncated {
                from,
                asked: to_all,
                at,
            });
        } else {
            let at = if to_all.is_shared() {
                now + self.some_time(SHARED_AFTER)
            } else {
                now
            };
            self.tell(to_all, at);
        }
        self.answer_one(lately, question, Manner::Good, room)
    }

    /// Whether who asks knows all records of that kind, and for long enough (section 7.1).
    fn is_known(&self, which: Own, question: &DnsMessage<'_>, own: &DnsMessage<'_>) -> bool {
        let mut mine = own
            .records()
            .filter(|record| self.records.which(record) == Some(which));
        mine.all(|mine| {
            let known = question.all_records();
            let mut known = known.filter(|known| known.section == Section::Answer);
            known.any(|known| is_same(&mine, &known) && known.ttl >= mine.ttl / 2)
        })
    }

    fn answer_one(
        &self,
        set: Set,
        question: &DnsMessage<'_>,
        manner: Manner,
        room: &mut [u8],
    ) -> Option<usize> {
        if set == Set::NONE {
            return None;
        }
        let mut answer = DnsWriter::new(room);
        if manner == Manner::Legacy {
            answer.questions(question.all_questions()?);
        }
        self.records.write(set, Section::Answer, manner, &mut answer);
        self.records
            .write(set.beside(), Section::Additional, manner, &mut answer);
        answer.finish(question.id, true)
    }

    /// Writes what all are told now, if anything is due.
    fn write_pending(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        if let Some(truncated) = self.truncated.take_if(|waiting| waiting.at <= now) {
            self.tell(truncated.asked, now);
        }
        let due = self.pending.filter(|own| self.due_at(own) <= now);
        let beside = due
            .beside()
            .filter(|own| !self.was_told_within(own, SENT_AGAIN_AFTER, now));
        if due == Set::NONE {
            return None;
        }
        (self.pending, self.urgent) = (self.pending.without(due), self.urgent.without(due));
        self.write_all(due, beside, Manner::Good, now, room)
    }

    fn write_all(
        &mut self,
        answers: Set,
        beside: Set,
        manner: Manner,
        now: Instant,
        room: &mut [u8],
    ) -> Option<usize> {
        for own in answers.with(beside).each() {
            if let Some(told) = self.told_at.get_mut(own as usize) {
                *told = Some(now);
            }
        }
        let mut message = DnsWriter::new(room);
        self.records.write(answers, Section::Answer, manner, &mut message);
        self.records
            .write(beside, Section::Additional, manner, &mut message);
        if message.is_empty() {
            None
        } else {
            message.finish(0, true)
        }
    }

    fn write_probe(&self, room: &mut [u8]) -> Option<usize> {
        let mut probe = DnsWriter::new(room);
        probe.question(self.records.host(), ANY, true);
        probe.question(self.records.instance(), ANY, true);
        self.records
            .write(Set::PROBED, Section::Authority, Manner::Good, &mut probe);
        probe.finish(0, false)
    }
}

/// Whether two records are one: the same name, type and words.
fn is_same(one: &DnsRecord<'_>, other: &DnsRecord<'_>) -> bool {
    one.kind == other.kind && one.name.is(other.name.labels()) && one.says_the_same(other)
}

impl Group for Responder<'_> {
    fn moved(&mut self, now: Instant, addresses: &[IpAddr]) {
        self.records.addresses.clear();
        for address in addresses {
            // Those that have no room are not told.
            let _ = self.records.addresses.push(*address);
        }
        self.state = match self.state {
            State::Leaving(_) | State::Gone => return,
            _ if addresses.is_empty() => State::Nowhere,
            State::Announcing(..) | State::Known => State::Announcing(0, now),
            State::Nowhere | State::Probing(..) => {
                let at = now + self.some_time((0, 250));
                return self.probe(at);
            }
        };
    }

    fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], room: &mut [u8]) -> Option<usize> {
        let message = DnsMessage::parse(datagram)?;
        if message.is_response() {
            // Who speaks multicast DNS has its port (section 6).
            let own = own_message(&self.records, room).filter(|_| from.port() == PORT)?;
            self.hear(now, &message, &own);
            return None;
        }
        if let State::Probing(sent, _) = self.state {
            let own = self
                .write_probe(room)
                .and_then(|length| DnsMessage::parse(room.get(..length)?))?;
            if sent > 0 && from.port() == PORT && probe::is_won_by(&message, &own, &self.records) {
                self.probe(now + AFTER_TIE);
            }
            return None;
        }
        self.answer(now, from, &message, room)
    }

    fn transmit(&mut self, now: Instant, room: &mut [u8]) -> Option<usize> {
        match self.state {
            State::Probing(PROBES, at) if at <= now => {
                self.state = State::Announcing(0, now);
                debug!("this is {}.local", self.records.label.as_str());
                self.transmit(now, room)
            }
            State::Probing(sent, at) if at <= now => {
                self.state = State::Probing(sent.saturating_add(1), now + BETWEEN_PROBES);
                self.write_probe(room)
            }
            State::Announcing(sent, at) if at <= now => {
                let sent = sent.saturating_add(1);
                self.state = if sent < ANNOUNCEMENTS {
                    State::Announcing(sent, now + BETWEEN_ANNOUNCEMENTS)
                } else {
                    State::Known
                };
                self.write_all(Set::ANNOUNCED, Set::NONE, Manner::Good, now, room)
            }
            State::Leaving(at) if at <= now => {
                self.state = State::Gone;
                self.write_all(Set::ANNOUNCED, Set::NONE, Manner::Goodbye, now, room)
            }
            State::Announcing(..) | State::Known => self.write_pending(now, room),
            State::Nowhere | State::Probing(..) | State::Leaving(_) | State::Gone => None,
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        let known_at = match self.state {
            State::Probing(_, at) | State::Leaving(at) => return Some(at),
            State::Nowhere | State::Gone => return None,
            State::Announcing(_, at) => Some(at),
            State::Known => None,
        };
        let pending = self.pending.each().map(|own| self.due_at(own));
        let truncated = self.truncated.as_ref().map(|waiting| waiting.at);
        pending.chain(known_at).chain(truncated).min()
    }

    fn stop(&mut self, now: Instant) {
        self.state = match self.state {
            State::Announcing(..) | State::Known => State::Leaving(now),
            _ => State::Gone,
        };
    }
}
