# The robot: a half cheetah in MuJoCo that asks a generator in its own process for the policy it needs.
ROBOT := build/robot
ROBOT_SOURCE := examples/robot
MUJOCO := $(ROBOT)/mujoco
ROBOT_MAINS := robot robot-bench robot-score zoo-robot
# These need EGL (package libegl-dev, and Mesa's libegl1 where there is no screen).
ROBOT_SCREEN := robot-frames offscreen
ROBOT_PROGRAMS := $(ROBOT_MAINS:%=$(ROBOT)/%)
ROBOT_SHARED := $(patsubst $(ROBOT_SOURCE)/src/%.cpp,$(ROBOT)/%.o,\
    $(filter-out $(ROBOT_MAINS:%=$(ROBOT_SOURCE)/src/%.cpp) $(ROBOT_SCREEN:%=$(ROBOT_SOURCE)/src/%.cpp),\
    $(wildcard $(ROBOT_SOURCE)/src/*.cpp)))
ROBOT_LINK = -o $@ -pthread -L$(MUJOCO) -l:libmujoco.so.3.17.0 -L$(SMALL) -lpdiff \
    -Wl,-rpath,$(abspath $(MUJOCO)):$(abspath $(SMALL))
ROBOT_FLAGS := -std=c++17 -O3 -fno-math-errno -Wall -Wextra -Wpedantic -Wconversion -Werror

robot: $(ROBOT_PROGRAMS) ## a half cheetah that asks for the policy of each speed it is told
	$(ROBOT)/robot 1 2.5 4 0.7 3.3 4.8

robot-bench: $(ROBOT_PROGRAMS) ## the robot's policies for 50 unseen speeds beside the trained ones: docs/results/robot.json
	$(ROBOT)/robot-bench
	python3 $(ROBOT_SOURCE)/picture.py docs/results/robot.json docs/images/robot-speed.svg

robot-frames: $(ROBOT)/robot-frames ## the picture of the robot: docs/images/robot.png
	$(ROBOT)/robot-frames 1 4.5
	python3 $(ROBOT_SOURCE)/png.py $(ROBOT)/frames.ppm docs/images/robot.png

# About an hour on two cores; what a killed run has trained is in build/robot/training, where the next one goes on.
robot-zoo: $(ROBOT)/zoo-robot ## trains the robot's collection again
	rm -rf $(ROBOT_SOURCE)/zoo
	$(ROBOT)/zoo-robot --collection $(ROBOT_SOURCE)/zoo

robot-generator: build ## learns the robot's generator from its collection again
	$(PDIFF) train $(ROBOT_SOURCE)/zoo -o $(ROBOT_SOURCE)/cheetah.pdiff --components 22 --precision f16 --steps 6000

robot-test: need-cargo need-c++ need-python3 ## the robot at reduced size, where MuJoCo can be had
	@if $(ROBOT_SOURCE)/fetch; then $(MAKE) robot-check; \
	else echo "robot-test: skipped, as it needs the wheels mujoco and gymnasium from PyPI"; fi

robot-check: $(ROBOT_PROGRAMS)
	python3 $(ROBOT_SOURCE)/test.py $(ROBOT)

$(MUJOCO)/half_cheetah.xml: need-python3
	$(ROBOT_SOURCE)/fetch

$(SMALL)/libpdiff.so: small ;

$(ROBOT)/%.o: $(ROBOT_SOURCE)/src/%.cpp $(wildcard $(ROBOT_SOURCE)/src/*.hpp) include/pdiff.h include/pdiff.hpp | need-c++ $(MUJOCO)/half_cheetah.xml
	$(CXX) $(ROBOT_FLAGS) -isystem $(MUJOCO) -Iinclude -c $< -o $@

$(ROBOT_PROGRAMS): $(ROBOT)/%: $(ROBOT)/%.o $(ROBOT_SHARED) $(SMALL)/libpdiff.so
	$(CXX) $< $(ROBOT_SHARED) $(ROBOT_LINK)

$(ROBOT)/robot-frames: $(ROBOT_SCREEN:%=$(ROBOT)/%.o) $(ROBOT_SHARED) $(SMALL)/libpdiff.so
	$(CXX) $(ROBOT_SCREEN:%=$(ROBOT)/%.o) $(ROBOT_SHARED) -lEGL $(ROBOT_LINK)

.PHONY: robot robot-bench robot-frames robot-zoo robot-generator robot-test robot-check
