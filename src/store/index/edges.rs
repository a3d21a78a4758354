//! The rows of spawn edges: written beside the thread rows, read by parent.

use diesel::prelude::*;

use crate::protocol::ThreadId;
use crate::store::agent_graph::{EdgeStatus, SpawnEdge};
use crate::store::index::connection::IndexError;
use crate::store::index::reader::IndexReader;
use crate::store::index::schema::thread_spawn_edges as edges;

/// Writes an edge in place of the child's earlier one.
pub(super) fn write(connection: &mut SqliteConnection, edge: &SpawnEdge) -> QueryResult<()> {
    let values = (
        edges::child_thread_id.eq(edge.child.to_string()),
        edges::parent_thread_id.eq(edge.parent.to_string()),
        edges::status.eq(edge.status.as_str()),
        edges::agent_path.eq(&edge.agent_path),
    );
    diesel::replace_into(edges::table).values(values).execute(connection)?;
    Ok(())
}

/// Writes an edge that a thread's own lines tell. One that is known stays: it may have been closed since.
pub(super) fn write_told(connection: &mut SqliteConnection, edge: &SpawnEdge) -> QueryResult<()> {
    diesel::insert_or_ignore_into(edges::table)
        .values((
            edges::child_thread_id.eq(edge.child.to_string()),
            edges::parent_thread_id.eq(edge.parent.to_string()),
            edges::status.eq(edge.status.as_str()),
            edges::agent_path.eq(&edge.agent_path),
        ))
        .execute(connection)?;
    Ok(())
}

/// Opens or closes the edge to a child.
pub(super) fn set_status(connection: &mut SqliteConnection, child: ThreadId, status: EdgeStatus) -> QueryResult<()> {
    diesel::update(edges::table.find(child.to_string()))
        .set(edges::status.eq(status.as_str()))
        .execute(connection)?;
    Ok(())
}

impl IndexReader {
    /// The edges below any of these parents.
    pub(crate) fn spawn_edges(&self, parents: &[ThreadId]) -> Result<Vec<SpawnEdge>, IndexError> {
        let mut connection = self.connection()?;
        let mut found = Vec::new();
        // A statement takes only so many values.
        for some in parents.chunks(500) {
            let rows: Vec<(String, String, String, Option<String>)> = edges::table
                .filter(edges::parent_thread_id.eq_any(some.iter().map(ThreadId::to_string)))
                .select((
                    edges::child_thread_id,
                    edges::parent_thread_id,
                    edges::status,
                    edges::agent_path,
                ))
                .load(&mut *connection)?;
            found.extend(rows.into_iter().filter_map(|(child, parent, status, agent_path)| {
                Some(SpawnEdge {
                    parent: ThreadId::parse(&parent).ok()?,
                    child: ThreadId::parse(&child).ok()?,
                    status: EdgeStatus::parse(&status),
                    agent_path,
                })
            }));
        }
        Ok(found)
    }
}
