//! rust-quotes: prices from a feed, asked for once or followed for a while.
//!
//! It shows: a stream that a detached task keeps. Who follows a price and loses interest drops the follower, but the
//! task that reads for it waits for the feed's next line, and at night there is none.

mod quotes;
mod traffic;
mod wire;

use quotes::Quotes;
use std::sync::Arc;

async fn serve(quotes: &Quotes, n: u64, rare: bool) -> std::io::Result<()> {
    let symbol = format!("ISIN{:04}", n % 700);
    if rare {
        let mut follower = quotes.follow(&symbol).await?;
        follower.latest().await;
    } else if n % 5 == 0 {
        quotes.basket(&[&symbol, "GOLD", "OIL"]).await?;
    } else {
        quotes.price(&symbol).await?;
    }
    Ok(())
}

fn main() {
    let options = traffic::Options::parse(50.0, 25);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let quotes = Arc::new(Quotes::new(options.value("feed"), options.fixed));
        let every = options.every;
        options
            .drive(2, move |n| {
                let quotes = quotes.clone();
                async move {
                    if let Err(error) = serve(&quotes, n, n % every == every - 1).await {
                        eprintln!("request {n} failed: {error}");
                    }
                }
            })
            .await;
    });
    runtime.shutdown_background();
}
