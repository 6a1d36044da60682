//! `hostapp demo`: the three parts of the lab in one process, told as a transcript.

mod kali;
mod r2;

use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

use r2_core::hex::Hex;
use sha2::{Digest as _, Sha256};

use self::kali::{Netcat, ask_by_datagram};
use self::r2::Running;
use crate::stdio::say;

/// How long each step waits for what it should see: far longer than it takes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// Bytes of the file that KALI sends.
const FILE: usize = 1024 * 1024;

/// Plays the lab and prints what happens; what it returns is the exit status of the program.
pub fn run() -> ExitCode {
    match play(&mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!(
                "hostapp: the demo stopped: {error}; hostapp -v demo says more"
            ));
            ExitCode::FAILURE
        }
    }
}

/// Plays the lab, and tells `out` what happens.
pub(crate) fn play(out: &mut impl Write) -> io::Result<()> {
    out.write_all(BEGINNING.as_bytes())?;
    let store = tempfile::TempDir::with_prefix("r2-demo-")?;
    let mut r2 = Running::start(store.path())?;
    chat(&mut r2, out)?;
    secret(&r2, out)?;
    file(&r2, store.path(), out)?;
    r2.stop();
    out.write_all(END.as_bytes())
}

const BEGINNING: &str = "\
# R2 is a server with its own TCP/IP stack. Here it runs in memory: R2's node, a virtual Ethernet wire and a gateway
# to this machine's sockets are all in this process. KALI is an ordinary client; what she does, netcat does.
";

const END: &str = "
# Try next:
#   hostapp serve                           R2 for every netcat on this machine; it prints the line for each service
#   nc 127.0.0.1 5000                       chat with it from another terminal; /help lists the commands
#   hostapp send 127.0.0.1 FILE             send a file that resumes where it was broken off
#   sudo tap-setup/tap-setup up             then hostapp serve gives R2 an IP address of its own: 192.168.69.1
";

fn chat(r2: &mut Running, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n# Part 1: a chat. R2 labels every line with its sender, so nobody can speak as somebody else.\n"
    )?;
    let mut kali = Netcat::connect(r2.at(5000))?;
    r2.sees("* KALI joined\n")?;
    for (who, line) in [
        ("R2", "Hi, my name is R2"),
        ("KALI", "Hi R2, my name is KALI. Nice to meet you."),
        ("KALI", "R2: I am R2, honestly"),
    ] {
        writeln!(out, "{who:<4} types   {line}")?;
        if who == "R2" {
            r2.types(line);
        } else {
            kali.types(line)?;
        }
        let labelled = format!("{who}: {line}\n");
        kali.sees(&labelled)?;
        r2.sees(&labelled)?;
    }
    writeln!(
        out,
        "\n# KALI's screen, which is that of `nc 127.0.0.1 5000`:\n\n{}",
        kali.finish()?
    )?;
    r2.sees("* KALI left\n")?;
    writeln!(out, "# R2's screen:\n\n{}", r2.screen())
}

fn secret(r2: &Running, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "# Part 2: a secret code. Where a string holds the word SECRET, R2 answers with its digits.\n"
    )?;
    for string in [
        "sfdsd Ted is cool23432",
        "Ted is SECRET cool",
        "123Ted 32is 343SECRET cool",
    ] {
        let answer = Netcat::run(r2.at(5010), format!("{string}\n").as_bytes())?;
        writeln!(
            out,
            "$ echo '{string}' | nc -N 127.0.0.1 5010\n{}",
            answer.trim_end()
        )?;
    }
    let string = "R2D2 has a SECRET too";
    let answer = ask_by_datagram(r2.udp_at(5010), string)?;
    writeln!(
        out,
        "$ printf '{string}' | nc -u -W 1 127.0.0.1 5010\n{}",
        answer.trim_end()
    )
}

fn file(r2: &Running, store: &std::path::Path, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n# Part 3: a file, byte for byte. R2 answers when it is on the disk, with its SHA-256.\n"
    )?;
    let photo = noise();
    let receipt = Netcat::run(r2.at(5020), &photo)?;
    let sha256 = Hex(&Sha256::digest(&photo).into()).to_string();
    writeln!(out, "$ nc -N 127.0.0.1 5020 < photo.jpg\n{}", receipt.trim_end())?;
    writeln!(out, "$ sha256sum photo.jpg\n{sha256}  photo.jpg")?;
    let stored =
        fs::read(store.join("drop-0001")).or_else(|_| fs::read(store.join("drop-0001.unconfirmed")))?;
    if stored != photo {
        return Err(io::Error::other("R2 has other bytes than KALI sent"));
    }
    writeln!(
        out,
        "\n# The end of a connection proves nothing, so files can be announced: name and length, SHA-256 if you like.\n"
    )?;
    for (said, line) in [
        (
            "PUT notes.txt 6\nhello\n",
            "(echo PUT notes.txt 6; echo hello) | nc -N 127.0.0.1 5030",
        ),
        ("GET notes.txt\n", "echo GET notes.txt | nc -N 127.0.0.1 5030"),
        ("LIST\n", "echo LIST | nc -N 127.0.0.1 5030"),
    ] {
        let answer = Netcat::run(r2.at(5030), said.as_bytes())?;
        writeln!(out, "$ {line}\n{}", answer.trim_end())?;
    }
    Ok(())
}

/// Bytes without a pattern, the same at every run.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        // The generator of "Numerical Recipes"; its high bits are the good ones.
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..FILE).map(|_| next()).collect()
}
