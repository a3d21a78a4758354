//! Model providers: the Responses client, retries, the catalog, and the offline rehearsal model.
