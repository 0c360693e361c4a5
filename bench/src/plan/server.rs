use std::collections::VecDeque;

/// A stretch of time, in seconds from the beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
}

/// Something that serves one after the other, in the order in which they come: a link, or what applies gradients.
#[derive(Debug, Default)]
pub(super) struct Server {
    free_at: f64,
    /// Seconds that it served in what is measured.
    busy: f64,
    /// Services that may not be over yet.
    open: VecDeque<Span>,
}

impl Server {
    /// Serves for `cost` seconds who comes at `at`, not before anybody who came earlier.
    pub(super) fn serve(&mut self, at: f64, cost: f64) -> Span {
        let start = self.free_at.max(at);
        let span = Span {
            start,
            end: start + cost,
        };
        self.free_at = span.end;
        self.open.push_back(span);
        span
    }

    /// Counts what it has served by `now`.
    pub(super) fn settle(&mut self, now: f64) {
        while let Some(first) = self.open.front_mut() {
            let until = first.end.min(now);
            self.busy += (until - first.start).max(0.0);
            if first.end > now {
                // Its rest is counted another time.
                first.start = first.start.max(now);
                return;
            }
            self.open.pop_front();
        }
    }

    /// Forgets what was counted so far.
    pub(super) fn forget(&mut self) {
        self.busy = 0.0;
    }

    /// Seconds that were counted.
    pub(super) fn busy(&self) -> f64 {
        self.busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_while_it_serves_waits() {
        let mut server = Server::default();
        let spans = [(1.0, 2.0), (2.0, 1.0), (9.0, 1.0)].map(|(at, cost)| server.serve(at, cost));
        let starts = spans.map(|span| span.start);
        assert_eq!(starts, [1.0, 3.0, 9.0]);
        assert_eq!(spans[2].end, 10.0);
    }

    #[test]
    fn only_what_it_served_in_the_window_counts() {
        let mut server = Server::default();
        for at in [0.0, 1.0, 6.0] {
            server.serve(at, 2.0);
        }
        // It serves from 0 to 4 and from 6 to 8.
        server.settle(1.0);
        server.forget();
        for now in [3.0, 3.0, 5.0, 7.0] {
            server.settle(now);
        }
        assert_eq!(server.busy(), 3.0 + 1.0);
    }
}
