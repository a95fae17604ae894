#include "jobs.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace robot {

void run_jobs(const std::vector<Job> &jobs, const mjModel &model, std::size_t threads) {
    std::atomic<std::size_t> next{0};
    std::exception_ptr failure;
    std::mutex lock;
    const auto work = [&] {
        try {
            Cheetah cheetah(model);
            for (std::size_t job = next++; job < jobs.size(); job = next++) jobs[job](cheetah);
        } catch (...) {
            const std::lock_guard<std::mutex> hold(lock);
            if (!failure) failure = std::current_exception();
        }
    };
    std::vector<std::thread> workers;
    for (std::size_t i = 0; i < std::min(threads, jobs.size()); ++i) workers.emplace_back(work);
    for (std::thread &worker : workers) worker.join();
    if (failure) std::rethrow_exception(failure);
}

}  // namespace robot
