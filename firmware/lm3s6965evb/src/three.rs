//! R2 on the Stellaris LM3S6965 evaluation board, with chat, secret and drop only: a third of the RAM stays free.
#![no_std]
#![no_main]

mod board;
#[path = "plan_three.rs"]
mod plan;
