"""Who does the work on documents: one process, several, or a cluster; portion by portion, none of them twice."""
