// For native_names_root_test.cc: functions of a crate, inlined and not, with and without a trait.
mod desk;

use desk::{Desk, Dial};

#[inline(never)]
fn twice<F: Fn(usize) -> usize>(f: F) -> usize {
    f(1) + f(2)
}

fn main() {
    let desk = Desk::new("127.0.0.1:1");
    println!("{} {}", desk.hedge(), twice(|n| desk.dial().is_ok() as usize + n));
}
