/* The first lookup of a process, and the hundredth, in microseconds: getpwnam NAME. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

int main(int count, char **words) {
  double first, since = now();
  struct passwd *found = getpwnam(words[count - 1]);
  first = now() - since;
  since = now();
  for (int i = 0; i < 100; i++) getpwnam(words[count - 1]);
  double later = (now() - since) / 100;
  gid_t groups[64];
  int length = 64;
  since = now();
  if (found) getgrouplist(found->pw_name, found->pw_gid, groups, &length);
  printf("%.0f %.0f %.0f\n", first, later, now() - since);
  return found ? 0 : 2;
}
