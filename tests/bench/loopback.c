/* Preloaded into an SFU that leaves loopback addresses out when it gathers: shows it `lo` as an ordinary interface, and no other one, so that all media of
 * a run stays on 127.0.0.1. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

int getifaddrs(struct ifaddrs **list) {
  int (*original)(struct ifaddrs **) = (int (*)(struct ifaddrs **))dlsym(RTLD_NEXT, "getifaddrs");
  int result = original(list);
  if (result) return result;
  for (struct ifaddrs *i = *list; i; i = i->ifa_next) {
    unsigned hidden = strcmp(i->ifa_name, "lo") ? IFF_UP | IFF_RUNNING : IFF_LOOPBACK;
    i->ifa_flags &= ~hidden;
  }
  return 0;
}
