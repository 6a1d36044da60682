//! One terminal in the room.

use super::command::Command;
use super::incoming::{Incoming, Labels};
use super::lines::Place;
use super::nick::Nick;
use super::outgoing::Outgoing;
use super::repeats::{MUTED, Repeats, Worth};
use super::room::Room;
use super::roster::{Renamed, Speaker};
use super::telnet::{Piece, Telnet};
use crate::bug::OrBug;
use crate::foreign::{NO_WEB_SERVER, Opening};
use crate::session::{Over, Session, Wants};
use crate::time::Instant;

/// The chat session of one terminal: a peer's connection, or R2's own console.
///
/// It shows every line of the room once, in the order of the room, those of its own peer too. It takes lines as
/// long as the peer sends them, whether or not that peer reads; only a command whose answer has no room, or would
/// overtake lines that were said before it, waits, and what follows it.
pub struct Peer {
    is_host: bool,
    state: State,
    opening: Opening,
    telnet: Telnet,
    incoming: Incoming,
    repeats: Repeats,
    outgoing: Outgoing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not in the room yet.
    Outside,
    /// In the room.
    Here(Speaker),
    /// In the room; its input is at its end, but the last line of it may still wait.
    Ending(Speaker),
    /// Not in the room any more; it gets what it is owed.
    Left,
}

impl Peer {
    /// A peer: it takes a seat when it is opened, and the others see it join and leave.
    pub const fn new() -> Self {
        Self::with_role(false)
    }

    /// R2's own console: it speaks under the host's name, joins and leaves in silence, and `/quit` asks the driver
    /// to end ([`Room::host_quit`]). At the end of its input it goes on showing lines.
    pub const fn host() -> Self {
        Self::with_role(true)
    }

    const fn with_role(is_host: bool) -> Self {
        Self {
            is_host,
            state: State::Outside,
            opening: if is_host { Opening::known() } else { Opening::new() },
            telnet: Telnet::new(),
            incoming: Incoming::new(),
            repeats: Repeats::new(Place::START),
            outgoing: Outgoing::new(Place::START),
        }
    }

    /// Takes the lines of `rx`, up to a command that cannot be answered yet, and returns how many bytes that is.
    fn read(&mut self, rx: &[u8], room: &mut Room<'_>) -> usize {
        let mut rest = rx;
        while let State::Here(who) = self.state
            && !rest.is_empty()
        {
            let (mut telnet, mut behind) = (self.telnet, rest);
            match telnet.take(&mut behind) {
                Piece::Text(text) => {
                    let labels = room.labels(who);
                    self.incoming.add(text, &labels, |part| room.say(who, part));
                }
                Piece::LineEnd if !self.end_line(who, room) => {
                    return rx.len().saturating_sub(rest.len());
                }
                Piece::LineEnd | Piece::Nothing => {}
            }
            (self.telnet, rest) = (telnet, behind);
        }
        rx.len()
    }

    /// The line has ended. `false` when it is a command that cannot be answered yet: call again.
    fn end_line(&mut self, who: Speaker, room: &mut Room<'_>) -> bool {
        let labels = room.labels(who);
        self.incoming.end(&labels, |part| room.say(who, part));
        let done = if let Some(command) = self.incoming.command() {
            obey(command, who, &mut self.outgoing, room)
        } else {
            self.say(who, &labels, room)
        };
        if done == Obeyed::Later {
            return false;
        }
        self.incoming.reset();
        self.outgoing.done_with_command();
        if done == Obeyed::Quit {
            self.leave(who, room);
        }
        true
    }

    /// Shows the line that has ended, unless it has none of its own.
    fn say(&mut self, who: Speaker, labels: &Labels, room: &mut Room<'_>) -> Obeyed {
        let text = self.incoming.text();
        if text.is_empty() {
            return Obeyed::Yes;
        }
        let mut repeats = self.repeats;
        let own = self.incoming.had_label(labels);
        match repeats.judge(text, own, self.outgoing.next(), room) {
            Worth::Tell if !self.outgoing.answer(room, &[MUTED]) => return Obeyed::Later,
            Worth::Tell | Worth::Hide => {}
            Worth::Show => room.say(who, text),
        }
        self.repeats = repeats;
        Obeyed::Yes
    }

    /// The peer speaks another protocol: nothing of that is said.
    fn refuse(&mut self, who: Speaker, room: &mut Room<'_>) {
        self.leave(who, room);
        self.outgoing
            .end_with(room, ["* this is R2's chat", NO_WEB_SERVER]);
    }

    /// Goes on with the end of the input; whether that changed anything.
    fn end_input(&mut self, room: &mut Room<'_>) -> bool {
        let State::Ending(who) = self.state else {
            return false;
        };
        if self.outgoing.is_listing() || !self.end_line(who, room) {
            return false;
        }
        // The last line may have been `/quit`, or `/who`, whose answer still names this peer.
        if self.state != State::Left && !self.outgoing.is_listing() {
            self.leave(who, room);
        }
        true
    }

    fn leave(&mut self, who: Speaker, room: &mut Room<'_>) {
        match who {
            // Nobody types any more, but the console still shows what is said.
            Speaker::Host => self.state = State::Here(who),
            Speaker::Seat(seat) => {
                self.state = State::Left;
                self.outgoing.end_here(room);
                room.leave(seat);
            }
        }
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}

/// What became of a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Obeyed {
    Yes,
    /// Its answer has no room yet.
    Later,
    /// The peer wants to leave.
    Quit,
}

fn obey(command: Command<'_>, who: Speaker, outgoing: &mut Outgoing, room: &mut Room<'_>) -> Obeyed {
    if outgoing.is_listing() {
        // The list names those who are here: nobody changes or leaves by a command behind it.
        return Obeyed::Later;
    }
    let answered = match command {
        Command::Quit if who == Speaker::Host => {
            room.quit_host();
            true
        }
        Command::Quit => return Obeyed::Quit,
        Command::Who => outgoing.list(room),
        Command::Help if who == Speaker::Host => {
            outgoing.answer(room, &["* commands: /who, /help, /quit (ends R2)\n"])
        }
        Command::Help => outgoing.answer(room, &["* commands: /nick NAME, /who, /quit, /help\n"]),
        Command::Unknown(word) => outgoing.answer(room, &["* unknown command ", word, "\n"]),
        Command::Nick(wish) => rename(wish, who, outgoing, room),
    };
    if answered { Obeyed::Yes } else { Obeyed::Later }
}

/// Gives the peer another name or tells it why not; `false` when that answer has no room.
fn rename(wish: &str, who: Speaker, outgoing: &mut Outgoing, room: &mut Room<'_>) -> bool {
    let Speaker::Seat(seat) = who else {
        let host = room.label(who);
        return outgoing.answer(room, &["* ", &host, " keeps its name\n"]);
    };
    let Some(wish) = Nick::parse(wish) else {
        return outgoing.answer(room, &["* a name is 1 to 16 of A-Z a-z 0-9 _ -\n"]);
    };
    match room.rename(seat, &wish) {
        Renamed::From(_) => true,
        Renamed::Same => outgoing.answer(room, &["* you are ", &wish, " already\n"]),
        Renamed::Taken => outgoing.answer(room, &["* name taken\n"]),
    }
}

impl Session<Room<'_>> for Peer {
    fn opened(&mut self, _: Instant, room: &mut Room<'_>) {
        let who = if self.is_host {
            Some(Speaker::Host)
        } else {
            room.join().map(Speaker::Seat)
        };
        // Behind the line that told the others.
        self.outgoing = Outgoing::new(room.end());
        self.repeats = Repeats::new(room.end());
        if let Some(who) = who {
            self.state = State::Here(who);
        } else {
            self.state = State::Left;
            self.outgoing.answer(room, &["* the room is full\n"]);
            self.outgoing.end_here(room);
        }
    }

    fn receive(&mut self, _: Instant, rx: &[u8], room: &mut Room<'_>) -> usize {
        let State::Here(who) = self.state else {
            return rx.len();
        };
        let Some(rx) = self.opening.admit(rx) else {
            self.refuse(who, room);
            return rx.len();
        };
        let taken = self.read(rx, room);
        self.opening.taken(taken);
        taken
    }

    fn transmit(&mut self, _: Instant, tx: &mut [u8], room: &mut Room<'_>) -> usize {
        let mut filled = 0;
        loop {
            let behind = tx
                .get_mut(filled..)
                .or_bug("no more is filled than there is room");
            filled = filled.saturating_add(self.outgoing.transmit(behind, room));
            if !self.end_input(room) {
                return filled;
            }
        }
    }

    fn finished(&mut self, _: Instant, room: &mut Room<'_>) {
        if let State::Here(who) = self.state {
            let labels = room.labels(who);
            self.incoming
                .add(self.telnet.finish(), &labels, |part| room.say(who, part));
            self.state = State::Ending(who);
            self.end_input(room);
        }
    }

    fn over(&mut self, _: Instant, _: Over, room: &mut Room<'_>) {
        if let State::Here(who) | State::Ending(who) = self.state {
            self.leave(who, room);
        }
    }

    fn wants(&self) -> Wants {
        Wants::close_if(self.state == State::Left && self.outgoing.is_done())
    }
}
