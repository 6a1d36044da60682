use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use embedded_io::Write as _;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::*;

type Written = Arc<Mutex<Vec<u8>>>;

/// A console whose input is typed by the test, and whose output the test sees.
fn console() -> (Console, Sender<&'static str>, Written) {
    let (typist, typed) = channel::<&str>();
    let written = Written::default();
    let screen = written.clone();
    let console = Console::start(
        move |shared| {
            typed.iter().all(|text| shared.type_in(text.as_bytes()));
        },
        move |bytes| {
            screen.lock().unwrap().extend_from_slice(bytes);
            Ok(())
        },
        None,
    );
    (console.unwrap(), typist, written)
}

fn wait_until(console: &mut Console, mut ready: impl FnMut(&mut Console) -> bool) {
    while !ready(console) {
        let woken = poll(
            &mut [PollFd::new(console.as_fd(), PollFlags::POLLIN)],
            PollTimeout::from(10_000u16),
        );
        assert_eq!(woken, Ok(1), "the console never wakes");
        console.clear();
    }
}

#[test]
fn typed_lines_arrive_and_the_end_of_input_is_seen_once_they_were_taken() {
    let (mut console, typist, _) = console();
    assert_eq!(console.read_ready(), Ok(false));
    typist.send("Hi\n").unwrap();
    wait_until(&mut console, |console| console.read_ready().unwrap());
    assert_eq!(console.fill_buf().unwrap(), b"Hi\n");
    drop(typist);
    console.consume(3);
    wait_until(&mut console, |console| console.read_ready().unwrap());
    assert_eq!(console.fill_buf().unwrap(), b"");
    assert_eq!(console.ended(), None, "the end of input ends nothing else");
    assert!(console.write_ready().unwrap());
}

#[test]
fn a_console_that_was_cleared_sleeps_until_there_is_news() {
    let sleeps = |console: &Console| {
        let fds = &mut [PollFd::new(console.as_fd(), PollFlags::POLLIN)];
        poll(fds, PollTimeout::ZERO) == Ok(0)
    };
    let (mut console, typist, _) = console();
    assert!(sleeps(&console));
    drop(typist);
    let mut news = 0;
    wait_until(&mut console, |_| std::mem::replace(&mut news, 1) == 1);
    assert!(
        console.read_ready().unwrap() && sleeps(&console),
        "its input ended"
    );
    assert_eq!(console.write(b"R2: Hi\n"), Ok(7));
    wait_until(&mut console, |_| std::mem::replace(&mut news, 2) == 2);
    assert!(sleeps(&console), "it has shown the line");
}

#[test]
fn output_is_whole_when_the_console_is_dropped() {
    let (mut console, _typist, written) = console();
    assert_eq!(console.write(b"R2: Hi\n* ha"), Ok(11));
    assert_eq!(console.write(b"lf"), Ok(2));
    drop(console);
    assert_eq!(*written.lock().unwrap(), b"R2: Hi\n* half");
}

#[test]
fn an_output_that_nobody_takes_fills_up_and_an_output_that_is_gone_never_does() {
    let (go, stopped) = channel::<()>();
    let stopped = Mutex::new(stopped);
    let mut console = Console::start(
        |_| {},
        move |_| {
            let _ = stopped.lock().unwrap().recv();
            Err(ErrorKind::BrokenPipe.into())
        },
        None,
    )
    .unwrap();
    let line = [b'x'; 999];
    let mut put = 0;
    // At most two buffers: the one that is filled and the one that is stuck in the write.
    while console.write_ready().unwrap() && put <= 2 * OUTPUT {
        put += console.write(&line).unwrap() + console.write(b"\n").unwrap();
    }
    assert!(put <= 2 * OUTPUT, "{put}");
    drop(go);
    // More than the ring and the writer's buffer hold together.
    wait_until(&mut console, |console| {
        (0..200).all(|_| console.write(&line) == Ok(999))
    });
    assert_eq!(console.ended(), None);
}
