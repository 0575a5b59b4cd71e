from broken.circle_other import other

graph = other
