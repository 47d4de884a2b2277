#include "collect/bpf/site_watch.h"

namespace unclosed {
namespace {

constexpr uint32_t kRisesToWatch = 3;
constexpr uint32_t kCalmToForget = 30;

}  // namespace

void SiteWatch::unused(uint16_t site) {
  if (site != 0) ++x_sites[site].now;
}

std::vector<SiteWatch::Change> SiteWatch::end_scan() {
  std::vector<Change> changes;
  for (auto entry = x_sites.begin(); entry != x_sites.end();) {
    Site& site = entry->second;
    const bool grew = site.now > site.before;
    site.rises = grew ? site.rises + 1 : site.now == site.before ? site.rises : 0;
    site.calm = grew ? 0 : site.calm + 1;
    if (!site.watched && site.rises >= kRisesToWatch) {
      site.watched = true;
      changes.push_back({entry->first, true});
    } else if (site.watched && site.calm > kCalmToForget) {
      site.watched = false;
      site.rises = 0;
      changes.push_back({entry->first, false});
    }
    site.before = site.now;
    site.now = 0;
    entry = site.before == 0 && !site.watched ? x_sites.erase(entry) : std::next(entry);
  }
  return changes;
}

}  // namespace unclosed
