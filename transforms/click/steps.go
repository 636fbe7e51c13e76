package click

// Steps are the optional steps of the count. A table is made with them, and all that is written to it goes through
// the same ones: windows that were counted in other ways must not stand side by side.
type Steps struct {
	Top int // a window keeps its so many most viewed pages, the lesser by its bytes before one with as many; 0: all
}
