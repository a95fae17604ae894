# A project outside of the tree, for packaging/check.
cmake_minimum_required(VERSION 3.16)
project(outside C CXX)

set(WANTED 0.1 CACHE STRING "the version asked for")
find_package(pdiff ${WANTED} CONFIG REQUIRED)
add_executable(vote_c c/vote.c)
add_executable(vote_cpp cpp/vote.cpp)
target_compile_features(vote_cpp PRIVATE cxx_std_17)
foreach(program vote_c vote_cpp)
    target_link_libraries(${program} PRIVATE pdiff::pdiff)
endforeach()
