//! Work on all processors, a thread for each: networks this small gain more from it than from threads inside an
//! operation.

use std::sync::Mutex;

use anyhow::{Result, anyhow};

/// `work` on every item, and what it gives in the items' order. The first failure ends the rest.
pub fn map<T: Send, R: Send>(
    items: Vec<T>,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let queue = Mutex::new(items.into_iter().zip(&mut done));
    let next = || queue.lock().ok()?.next();
    let run = || -> Result<()> {
        while let Some((item, out)) = next() {
            match work(item) {
                Ok(result) => *out = Some(result),
                Err(error) => {
                    while next().is_some() {}
                    return Err(error);
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let joined: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        joined
            .into_iter()
            .try_for_each(|ended| ended.map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    done.into_iter()
        .map(|result| result.ok_or_else(|| anyhow!("a worker gave no result")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_items_order_and_a_failure_comes_out() {
        let squares = map((0..50).collect(), |i: u64| {
            std::thread::sleep(std::time::Duration::from_micros(50 - i));
            Ok(i * i)
        });
        assert_eq!(squares.unwrap(), (0..50).map(|i| i * i).collect::<Vec<_>>());
        let failed = map((0..50).collect(), |i: u64| match i {
            7 => Err(anyhow!("seven")),
            _ => Ok(i),
        });
        assert_eq!(failed.unwrap_err().to_string(), "seven");
    }
}
