if (job.level < limit && (!job.running || limit !== last)) {
  run(job);
}
