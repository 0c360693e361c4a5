use super::points::Points;
use super::update::{EventView, News};
use crate::run_files::history::History;

/// How much of a history a viewer has got.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// `wall_seconds` of the newest point that was taken; none before the first call.
    taken: Option<f64>,
    newest_event: u64,
}

impl Cursor {
    /// What came to `history` since the last call. If it has lost points meanwhile, for the run
    /// went on from a checkpoint, all of it is new.
    pub(super) fn take(&mut self, history: &History) -> News {
        let points = history.points();
        let newest = points
            .last()
            .map_or(f64::NEG_INFINITY, |point| point.wall_seconds);
        let from_start = self.taken.is_none_or(|taken| newest < taken);
        if from_start {
            *self = Self::default();
        }
        let known = self.taken.unwrap_or(f64::NEG_INFINITY);
        let first = points.partition_point(|point| point.wall_seconds <= known);
        self.taken = Some(newest);
        let events: Vec<_> = history
            .events_after(self.newest_event)
            .map(|(number, event)| EventView::new(number, event))
            .collect();
        self.newest_event = events.last().map_or(self.newest_event, EventView::number);
        News {
            from_start,
            points: Points::of(&points[first..]),
            events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_files::history::{Level, Line, ProgressPoint, RunEvent};

    fn point(wall_seconds: f64) -> Line {
        Line::Progress(Box::new(ProgressPoint {
            wall_seconds,
            env_steps: (wall_seconds * 100.0) as u64,
            ..ProgressPoint::default()
        }))
    }

    fn event() -> Line {
        Line::Event(RunEvent {
            wall_seconds: 1.0,
            unix_seconds: 1e9,
            env_steps: 100,
            level: Level::Info,
            message: "session joined".into(),
            fields: Default::default(),
        })
    }

    #[track_caller]
    fn check(news: &News, from_start: bool, seconds: &[f64], events: &[u64]) {
        let json = serde_json::to_value(news).unwrap();
        assert_eq!(json["from_start"], from_start);
        assert_eq!(json["points"]["wall_seconds"], serde_json::json!(seconds));
        let numbers: Vec<u64> = news.events.iter().map(EventView::number).collect();
        assert_eq!(numbers, events);
    }

    #[test]
    fn each_point_and_event_comes_once() {
        let (mut history, mut cursor) = (History::default(), Cursor::default());
        check(&cursor.take(&history), true, &[], &[]);
        [point(1.0), event(), point(2.0)]
            .into_iter()
            .for_each(|line| history.push(line));
        check(&cursor.take(&history), false, &[1.0, 2.0], &[1]);
        check(&cursor.take(&history), false, &[], &[]);
        [event(), point(3.0)]
            .into_iter()
            .for_each(|line| history.push(line));
        check(&cursor.take(&history), false, &[3.0], &[2]);
    }

    #[test]
    fn a_history_that_lost_points_is_new_as_a_whole() {
        let (mut history, mut cursor) = (History::default(), Cursor::default());
        [point(1.0), event(), point(3.0)]
            .into_iter()
            .for_each(|line| history.push(line));
        cursor.take(&history);
        history.push(point(2.0));
        check(&cursor.take(&history), true, &[1.0, 2.0], &[1]);
    }
}
