use std::io;
use std::net::TcpStream;

pub struct Desk {
    addr: &'static str,
}

pub trait Dial {
    fn dial(&self) -> io::Result<TcpStream>;
}

impl Dial for Desk {
    #[inline(never)]
    fn dial(&self) -> io::Result<TcpStream> {
        TcpStream::connect(self.addr)
    }
}

impl Desk {
    pub fn new(addr: &'static str) -> Self {
        Desk { addr }
    }

    #[inline(never)]
    pub fn hedge(&self) -> usize {
        let ask = |n: usize| if self.dial().is_ok() { n } else { n + self.addr.len() };
        ask(3) + ask(4)
    }
}
