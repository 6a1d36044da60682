//! R2 on the Stellaris LM3S6965 evaluation board, with every service.
#![no_std]
#![no_main]

mod board;
mod plan;
