//! Prices, and those who follow them.

use crate::wire::Connection;
use std::io;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub struct Quotes {
    feed: String,
    fixed: bool,
}

/// Sees every change of one price until it is dropped.
pub struct Follower {
    prices: watch::Receiver<String>,
    reader: JoinHandle<()>,
    fixed: bool,
}

impl Quotes {
    pub fn new(feed: String, fixed: bool) -> Quotes {
        Quotes { feed, fixed }
    }

    pub async fn price(&self, symbol: &str) -> io::Result<String> {
        let mut connection = self.connect().await?;
        connection.ask(&format!("GET {symbol}")).await
    }

    pub async fn basket(&self, symbols: &[&str]) -> io::Result<Vec<String>> {
        let mut connection = self.connect().await?;
        let mut prices = Vec::with_capacity(symbols.len());
        for symbol in symbols {
            prices.push(connection.ask(&format!("GET {symbol}")).await?);
        }
        Ok(prices)
    }

    pub async fn follow(&self, symbol: &str) -> io::Result<Follower> {
        let mut connection = self.connect().await?; // LEAK[opened]: quotes-follow
        let snapshot = connection.ask(&format!("SUB {symbol}")).await?; // LEAK[used]: quotes-follow
        let (sender, prices) = watch::channel(snapshot);
        let reader = tokio::spawn(pump(connection, sender)); // LEAK[held]: quotes-follow
        Ok(Follower { prices, reader, fixed: self.fixed })
    }

    async fn connect(&self) -> io::Result<Connection> {
        Connection::dial(&self.feed).await
    }
}

/// Hands on what the feed says. Ends with the feed, or when a line comes that nobody wants any more.
async fn pump(mut connection: Connection, prices: watch::Sender<String>) {
    while let Ok(line) = connection.next().await {
        if prices.send(line).is_err() {
            return;
        }
    }
}

impl Follower {
    pub async fn latest(&mut self) -> String {
        self.prices.borrow_and_update().clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        if self.fixed {
            self.reader.abort(); // a dropped handle alone detaches the task, it does not end it
        }
    }
}
