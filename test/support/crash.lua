-- Rows with unique numbers for sysbench: each statement carries its number in its text, or as a bound value.
sysbench.cmdline.options = {
  base = {"Number below the first row's", 0},
  bound = {"Bind the number instead of writing it into the text", false},
}

function thread_init()
  connection = sysbench.sql.driver():connect()
  at = 0
  if sysbench.opt.bound then
    insert = connection:prepare("INSERT INTO crash VALUES (?)")
    number = insert:bind_create(sysbench.sql.type.VARCHAR, 20)
    insert:bind_param(number)
  end
end

function event()
  at = at + 1
  local text = string.format("%.0f", sysbench.opt.base + sysbench.tid * 100000 + at)
  if sysbench.opt.bound then
    number:set(text)
    insert:execute()
  else
    connection:query("INSERT INTO crash VALUES (" .. text .. ")")
  end
end
