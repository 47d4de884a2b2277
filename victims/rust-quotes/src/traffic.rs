//! Drives the service at a steady, bounded rate, as its callers would. Not part of what the service shows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{signal, SignalKind};
use tokio::time::{interval, sleep};

pub struct Options {
    pub rate: f64,
    pub every: u64,
    pub seconds: f64,
    pub fixed: bool,
    values: HashMap<String, String>,
}

impl Options {
    pub fn parse(rate: f64, every: u64) -> Options {
        let mut options = Options { rate, every, seconds: 0.0, fixed: false, values: HashMap::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(flag) = arguments.next() {
            let name = flag.trim_start_matches('-').to_string();
            if name == "fixed" {
                options.fixed = true;
                continue;
            }
            let value = arguments.next().unwrap_or_default();
            match name.as_str() {
                "rate" => options.rate = value.parse().expect("--rate N"),
                "every" => options.every = value.parse().expect("--every N"),
                "for" => options.seconds = value.trim_end_matches('s').parse().expect("--for 10s"),
                _ => drop(options.values.insert(name, value)),
            }
        }
        options
    }

    pub fn value(&self, name: &str) -> String {
        self.values.get(name).cloned().unwrap_or_default()
    }

    /// Runs the operation from some workers until SIGTERM, or until the time is up.
    pub async fn drive<F, O>(&self, workers: u32, operation: F)
    where
        F: Fn(u64) -> O + Send + Sync + 'static,
        O: Future<Output = ()> + Send + 'static,
    {
        let operation = Arc::new(operation);
        let count = Arc::new(AtomicU64::new(0));
        let step = Duration::from_secs_f64(f64::from(workers) / self.rate);
        for _ in 0..workers {
            let (operation, count) = (operation.clone(), count.clone());
            tokio::spawn(async move {
                let mut ticks = interval(step);
                loop {
                    ticks.tick().await;
                    operation(count.fetch_add(1, Ordering::Relaxed) + 1).await;
                }
            });
        }
        let mut terminate = signal(SignalKind::terminate()).expect("signals");
        println!("ready");
        if self.seconds > 0.0 {
            let seconds = self.seconds;
            tokio::spawn(async move {
                sleep(Duration::from_secs_f64(seconds)).await;
                std::process::exit(0);
            });
        }
        terminate.recv().await;
    }
}
