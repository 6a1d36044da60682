//! Questions: the secret code by three clients, and the status page.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::Soak;

const QUESTIONS: u64 = 8;

/// How long a datagram's answer is waited for: on this wire it comes at once or never.
const LOST: Duration = Duration::from_millis(500);

/// How often a datagram is sent. That each of so many, or its answer, is lost does not happen.
const TRIES: usize = 20;

/// Every other string holds the code.
fn question(number: u64) -> (String, String) {
    if number.is_multiple_of(2) {
        let digits = number.to_string();
        let answer = format!("Digits: {digits} Count: {}", digits.len());
        (format!("{digits} is no SECRET"), answer)
    } else {
        (
            format!("{number} is nothing"),
            "Secret code not found.".to_owned(),
        )
    }
}

pub(crate) fn by_netcat(soak: &Soak, number: u64) -> u64 {
    let (mut asked, mut answers) = (String::new(), String::new());
    for question_number in 0..QUESTIONS {
        let (question, answer) = question(number * QUESTIONS + question_number);
        writeln!(asked, "{question}").expect("a String");
        writeln!(answers, "{answer}").expect("a String");
    }
    let mut netcat = soak.lab.start_kali("exec nc.openbsd -N 192.168.69.1 5010");
    netcat.types(&asked);
    assert_eq!(netcat.prints(), answers);
    answers.len() as u64
}

pub(crate) fn by_hostapp(soak: &Soak, number: u64) -> u64 {
    let (question, answer) = question(number);
    let printed = soak.lab.kali(&format!("hostapp secret 192.168.69.1 {question}"));
    assert_eq!(printed, format!("\nSent: {question}\n\nReceived: {answer}\n"));
    answer.len() as u64
}

pub(crate) fn by_udp(soak: &Soak, number: u64) -> u64 {
    let (question, answer) = question(number);
    let socket = soak.lab.udp(0, 5010);
    assert_eq!(
        asked(soak, &socket, question.as_bytes()),
        format!("{answer}\n").as_bytes()
    );
    answer.len() as u64
}

/// The answer to a datagram, which is sent again where either may have been lost.
pub(crate) fn asked(soak: &Soak, socket: &UdpSocket, question: &[u8]) -> Vec<u8> {
    socket.set_read_timeout(Some(LOST)).expect("a time that is not 0");
    let mut answer = vec![0; 2048];
    for _ in 0..TRIES {
        socket.send(question).expect("a datagram");
        match socket.recv(&mut answer) {
            Ok(length) => {
                answer.truncate(length);
                return answer;
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) =>
            {
                soak.repeated.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("a datagram's answer: {error}"),
        }
    }
    panic!("{TRIES} datagrams, and no answer");
}

pub(crate) fn status(soak: &Soak, _: u64) -> u64 {
    let page = soak.lab.status();
    assert_eq!(page["board"], "host");
    assert!(page["sessions_open"].parse::<u32>().expect("a number") >= 1);
    page.iter()
        .map(|(key, value)| (key.len() + value.len()) as u64)
        .sum()
}
