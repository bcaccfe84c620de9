if (job.level < limit && (!job.running || job.again || limit !== last)) {
  run(job);
}
