if (job.level < limit) {
  run(job);
}
