package vfs

// Tasks made with CLONE_FILES or CLONE_FS share a table. It starts out with
// one user.

// AddUser adds a task.
func (t *FDTable) AddUser() { t.extraUsers.Add(1) }

// Users returns the number of tasks that use the table.
func (t *FDTable) Users() int { return int(t.extraUsers.Load()) + 1 }

// DropUser takes a task away; with the last one every descriptor is closed.
func (t *FDTable) DropUser(c *Context) {
	if t.extraUsers.Add(-1) < 0 {
		t.Release(c)
	}
}

// AddUser adds a task.
func (f *FSContext) AddUser() { f.extraUsers.Add(1) }

// Users returns the number of tasks that use the context.
func (f *FSContext) Users() int { return int(f.extraUsers.Load()) + 1 }

// DropUser takes a task away.
func (f *FSContext) DropUser() { f.extraUsers.Add(-1) }
