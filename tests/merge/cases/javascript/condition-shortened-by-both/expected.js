<<<<<<< ours
if (job.level < limit) {
||||||| base
if (job.level < limit && (!job.running || job.again || limit !== last)) {
=======
if (job.level < limit && (!job.running || limit !== last)) {
>>>>>>> theirs
  run(job);
}
