//! Runs an image on the emulated board, at about real time:
//!
//!   r2-pico IMAGE LOG
//!
//! The board's console is standard input and output; what a probe reads of its log goes to the file LOG. The cable's other
//! end is the TAP `tap0`, or what `R2_NIC` says in the words of QEMU's option -nic: `tap,ifname=NAME` or
//! `socket,udp=ADDRESS,localaddr=ADDRESS`. The flash is kept in `flash.img` in the working directory. Ends when the
//! image resets the core: with 0, or with 1 where the emulator names what the image has done wrong.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::UdpSocket;
use std::os::unix::fs::FileExt as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use r2_pico::board::{Board, Ran};
use r2_pico::image::Image;
use tun_tap::{Iface, Mode};

/// Where the flash is kept.
const FLASH: &str = "flash.img";
/// Instructions between two looks at the cable and the console: less than 1 ms of the board's time.
const TURN: u64 = 20_000;
/// How long a board that sleeps is left to it.
const NAP: Duration = Duration::from_millis(1);

type Failure = Box<dyn std::error::Error>;

/// What comes from outside.
enum Input {
    Frame(Vec<u8>),
    Typed(Vec<u8>),
}

/// The other end of the cable.
#[derive(Clone)]
enum Cable {
    Tap(Arc<Iface>),
    Udp(Arc<UdpSocket>),
}

impl Cable {
    fn open(nic: &str) -> Result<Self, Failure> {
        let word = |key: &str| nic.split(',').find_map(|word| word.strip_prefix(key));
        if let Some(to) = word("udp=") {
            let socket = UdpSocket::bind(word("localaddr=").ok_or("R2_NIC has no localaddr")?)?;
            socket.connect(to)?;
            return Ok(Self::Udp(Arc::new(socket)));
        }
        let name = word("ifname=").unwrap_or("tap0");
        Ok(Self::Tap(Arc::new(Iface::without_packet_info(name, Mode::Tap)?)))
    }

    /// A frame that nobody takes is lost, as on any cable.
    fn send(&self, frame: &[u8]) {
        let _lost = match self {
            Self::Tap(tap) => tap.send(frame),
            Self::Udp(socket) => socket.send(frame),
        };
    }

    fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tap(tap) => tap.recv(frame),
            Self::Udp(socket) => socket.recv(frame),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("r2-pico: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(image), Some(log)) = (arguments.next(), arguments.next()) else {
        return Err("r2-pico IMAGE LOG".into());
    };
    let mut board = Board::new(Image::read(&std::fs::read(image)?)?);
    let mut log = OpenOptions::new().append(true).create(true).open(log)?;
    let flash = open_flash(&mut board)?;
    let cable = Cable::open(&std::env::var("R2_NIC").unwrap_or_default())?;
    let (inputs, input) = channel();
    read_frames(cable.clone(), inputs.clone());
    read_keys(inputs);
    board.start()?;
    let started = Instant::now();
    loop {
        let until = u64::try_from(started.elapsed().as_nanos() / 8)?;
        let ran = board.run(until, TURN);
        for (at, length) in board.take_changed() {
            flash.write_all_at(&board.flash()[at..at + length], at as u64)?;
        }
        show(&board.take_shown())?;
        board.take_sent().iter().for_each(|frame| cable.send(frame));
        log.write_all(&board.take_log())?;
        match ran? {
            Ran::Restarted => return Ok(()),
            Ran::Busy => hear(&mut board, &input, Duration::ZERO),
            Ran::Asleep => hear(&mut board, &input, NAP),
        }
    }
}

/// Reads the flash as it was left, and keeps the image in it.
fn open_flash(board: &mut Board) -> Result<File, Failure> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(FLASH)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if !bytes.is_empty() && !board.set_flash(&bytes) {
        return Err(format!("{FLASH} is no image of this board's flash: move it away").into());
    }
    file.write_all_at(board.flash(), 0)?;
    Ok(file)
}

fn show(bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut screen = io::stdout().lock();
    screen.write_all(bytes)?;
    screen.flush()
}

/// Gives the board what has come; waits for the first of it.
fn hear(board: &mut Board, input: &Receiver<Input>, patience: Duration) {
    let first = input.recv_timeout(patience).ok();
    for come in first.into_iter().chain(input.try_iter()) {
        match come {
            Input::Frame(frame) => board.receive(frame),
            Input::Typed(bytes) => board.type_in(&bytes),
        }
    }
}

fn read_frames(cable: Cable, inputs: Sender<Input>) {
    thread::spawn(move || {
        let mut frame = [0; 2048];
        // A peer of a UDP cable that is not there yet is an error that passes.
        loop {
            let Ok(length) = cable.receive(&mut frame) else {
                thread::sleep(NAP);
                continue;
            };
            let Some(bytes) = frame.get(..length) else {
                continue;
            };
            if inputs.send(Input::Frame(bytes.to_vec())).is_err() {
                return;
            }
        }
    });
}

fn read_keys(inputs: Sender<Input>) {
    thread::spawn(move || {
        let mut keys = [0; 64];
        while let Ok(length @ 1..) = io::stdin().read(&mut keys) {
            if inputs.send(Input::Typed(keys[..length].to_vec())).is_err() {
                return;
            }
        }
    });
}
