//! Questions in datagrams, and what may come back of each.

use fastrand::Rng;
use r2_core::diag::chargen;
use r2_core::secret;
use r2_sim::stranger::{datagram, heard_datagram};
use r2_sim::wire::Frame;

use super::net::Weather;

/// The first port that the stranger asks from; each question has its own.
const FIRST_PORT: u16 = 20_000;

/// Ports that get no answer, since whoever has them would answer it.
const ANSWERING: [u16; 6] = [7, 13, 17, 19, 37, 5010];

/// A question.
pub(super) struct Question {
    from: u16,
    to: u16,
    payload: Vec<u8>,
}

impl Question {
    /// Question `number` of a run.
    pub(super) fn draw(number: u16, rng: &mut Rng) -> Self {
        let to = [7, 9, 19, 5010][rng.usize(0..4)];
        let from = match rng.usize(0..20) {
            answering @ 0..6 => ANSWERING[answering],
            _ => FIRST_PORT + number,
        };
        let mut payload = vec![0; rng.usize(0..1_400)];
        rng.fill(&mut payload);
        if to == 5010 {
            let word = ["SECRET", "secret"][rng.usize(0..2)];
            let ending = ["", "\n", "\r\n"][rng.usize(0..3)];
            payload = format!("{number} {word} {}{ending}", rng.u64(..)).into_bytes();
        }
        Self { from, to, payload }
    }

    pub(super) fn frame(&self) -> Frame {
        datagram(self.from, self.to, &self.payload)
    }

    /// The one answer that is right, if it gets one.
    fn answer(&self) -> Option<Vec<u8>> {
        if ANSWERING.contains(&self.from) {
            return None;
        }
        let mut room = [0; 2048];
        match self.to {
            7 => Some(self.payload.clone()),
            19 => {
                let length = chargen::answer(&mut room);
                Some(room[..length].to_vec())
            }
            5010 => {
                let line = self.payload.strip_suffix(b"\n").unwrap_or(&self.payload);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let length = secret::answer(line, &mut room)?;
                Some(room[..length].to_vec())
            }
            _ => None,
        }
    }
}

/// Looks at what R2 has sent to the stranger: to each question its answer, once for each time that it came; none is
/// missing where R2 `lived` to the end and no frame was lost.
pub(super) fn all(
    asked: &[Question],
    heard: &[Frame],
    weather: &Weather,
    lived: bool,
    wrong: &mut Vec<String>,
) {
    let heard: Vec<_> = heard.iter().filter_map(|frame| heard_datagram(frame)).collect();
    let is_sure = lived && weather.lost == 0 && weather.damaged == 0;
    let most = if weather.doubled > 0 { 2 } else { 1 };
    for question in asked
        .iter()
        .filter(|question| !ANSWERING.contains(&question.from))
    {
        let answers: Vec<_> = heard.iter().filter(|(to, _)| *to == question.from).collect();
        let right = question.answer();
        if answers.iter().any(|(_, answer)| Some(answer) != right.as_ref()) {
            wrong.push(format!("a wrong answer to the datagram to {}", question.to));
        }
        let least = usize::from(is_sure && right.is_some());
        if !(least..=most).contains(&answers.len()) {
            wrong.push(format!(
                "{} answers to the datagram to {}",
                answers.len(),
                question.to
            ));
        }
    }
    if heard.iter().any(|(to, _)| ANSWERING.contains(to)) {
        wrong.push("an answer to a port that would answer it".into());
    }
}
