/** Statements of MySQL and MariaDB with a secret, `hunter2`, and how they must look without it. */
export const MYSQL_SECRETS: readonly (readonly [text: string, masked: string])[] = [
  ["ALTER USER bob IDENTIFIED BY 'hunter2'", 'ALTER USER bob IDENTIFIED BY <redacted>'],
  [
    `create user 'bob'@'%' identified by "hunter2" require ssl`,
    `create user 'bob'@'%' identified by <redacted> require ssl`,
  ],
  [
    "CREATE USER IF NOT EXISTS a@'h' IDENTIFIED BY 'hunter2', 'b' IDENTIFIED BY PASSWORD '*0123456789012345678901234567890123456789' COMMENT 'x' ATTRIBUTE '{}'",
    "CREATE USER IF NOT EXISTS a@'h' IDENTIFIED BY <redacted>, 'b' IDENTIFIED BY PASSWORD <redacted> COMMENT 'x' ATTRIBUTE '{}'",
  ],
  [
    "create user a identified with mysql_native_password by 'hunter2' require subject 'x' and issuer 'y'",
    "create user a identified with mysql_native_password by <redacted> require subject 'x' and issuer 'y'",
  ],
  [
    "create user a identified with 'caching_sha2_password' as '$A$005$hunter2' default role 'r'",
    "create user a identified with 'caching_sha2_password' as <redacted> default role 'r'",
  ],
  [
    'create user a identified with caching_sha2_password as 0x68756E74657232 password expire',
    'create user a identified with caching_sha2_password as <redacted> password expire',
  ],
  [
    "CREATE USER a IDENTIFIED VIA unix_socket OR mysql_native_password USING 'hunter2' OR ed25519 USING PASSWORD('hunter2') WITH MAX_USER_CONNECTIONS 1",
    'CREATE USER a IDENTIFIED VIA unix_socket OR mysql_native_password USING <redacted> OR ed25519 USING PASSWORD(<redacted>) WITH MAX_USER_CONNECTIONS 1',
  ],
  [
    "create user a identified by 'hunter2' and identified with authentication_ldap_sasl as 'hunter2' and identified with x by 'hunter2'",
    'create user a identified by <redacted> and identified with authentication_ldap_sasl as <redacted> and identified with x by <redacted>',
  ],
  [
    "create user a identified with authentication_webauthn initial authentication identified by 'hunter2'",
    'create user a identified with authentication_webauthn initial authentication identified by <redacted>',
  ],
  [
    "alter user a identified by 'hunter2' replace 'hunter2' retain current password",
    'alter user a identified by <redacted> replace <redacted> retain current password',
  ],
  ["alter user user() identified by 'hunter2'", 'alter user user() identified by <redacted>'],
  [
    "alter user a add 2 factor identified with x by 'hunter2'",
    'alter user a add 2 factor identified with x by <redacted>',
  ],
  [
    "alter user a 2 factor finish registration set challenge_response as 'hunter2'",
    'alter user a 2 factor finish registration set challenge_response as <redacted>',
  ],
  [
    "GRANT ALL ON *.* TO 'bob'@'%' IDENTIFIED BY 'hunter2' WITH GRANT OPTION",
    "GRANT ALL ON *.* TO 'bob'@'%' IDENTIFIED BY <redacted> WITH GRANT OPTION",
  ],
  [
    "grant select, insert on d.* to bob identified with mysql_native_password as 'hunter2' require ssl",
    'grant select, insert on d.* to bob identified with mysql_native_password as <redacted> require ssl',
  ],
  [
    "create procedure p() begin set `password` = concat(f('x'), 'hunter2'), a = f('b'); end",
    "create procedure p() begin set `password` = concat(f(<redacted>), <redacted>), a = f('b'); end",
  ],
  ["set password = 'hunter2'", 'set password = <redacted>'],
  ["SET PASSWORD = PASSWORD('hunter2')", 'SET PASSWORD = PASSWORD(<redacted>)'],
  [
    "set password for 'bob'@'h' = old_password('hunter2')",
    "set password for 'bob'@'h' = old_password(<redacted>)",
  ],
  [
    "set password for bob = 'hunter2' replace 'hunter2' retain current password",
    'set password for bob = <redacted> replace <redacted> retain current password',
  ],
  ["set @a = 1, password = 'hunter2'", 'set @a = 1, password = <redacted>'],
  [
    "select password('hunter2'), old_password( /* x */ 'hunter2')",
    'select password(<redacted>), old_password( /* x */ <redacted>)',
  ],
  [
    "select aes_encrypt('data', 'hunter2'), aes_decrypt(c, sha2('hunter2', 512), 'iv') from t where a = 'b'",
    "select aes_encrypt('data', <redacted>), aes_decrypt(c, sha2(<redacted>, 512), 'iv') from t where a = 'b'",
  ],
  [
    "select des_encrypt('data', 'hunter2'), encode('data', 'hunter2'), encrypt('hunter2', 'sa')",
    "select des_encrypt('data', <redacted>), encode('data', <redacted>), encrypt(<redacted>, 'sa')",
  ],
  ["select keyring_key_store('id', 'AES', 'hunter2')", "select keyring_key_store('id', 'AES', <redacted>)"],
  [
    "CHANGE MASTER TO MASTER_HOST='h', MASTER_USER='u', MASTER_PASSWORD='hunter2', MASTER_PORT=3306",
    "CHANGE MASTER TO MASTER_HOST='h', MASTER_USER='u', MASTER_PASSWORD=<redacted>, MASTER_PORT=3306",
  ],
  [
    "change replication source to source_password = 'hunter2', source_host = 'h' for channel 'c'",
    "change replication source to source_password = <redacted>, source_host = 'h' for channel 'c'",
  ],
  [
    "start slave user='u' password='hunter2' default_auth='p'",
    "start slave user='u' password=<redacted> default_auth='p'",
  ],
  [
    "start group_replication user='u', password='hunter2'",
    "start group_replication user='u', password=<redacted>",
  ],
  [
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD 'hunter2', HOST 'h')",
    "CREATE SERVER s FOREIGN DATA WRAPPER mysql OPTIONS (USER 'u', PASSWORD <redacted>, HOST 'h')",
  ],
  ["alter server s options (password 'hunter2')", 'alter server s options (password <redacted>)'],
  [
    "create table t (a int) engine=federated connection='mysql://u:hunter2@h:3306/db/t'",
    "create table t (a int) engine=federated connection='mysql://u:<redacted>@h:3306/db/t'",
  ],
  [
    "create table t (a int) engine=federated connection='mysql://u:hun/ter2@h:3306/db/t'",
    "create table t (a int) engine=federated connection='mysql://u:<redacted>@h:3306/db/t'",
  ],
  [
    `create table t (a int) engine=spider comment='wrapper "mysql", user "u", password "hunter2", port "3306"'`,
    `create table t (a int) engine=spider comment='wrapper "mysql", user "u", password <redacted>, port "3306"'`,
  ],
  ["set global my_password = 'hunter2', x = 'y'", "set global my_password = <redacted>, x = 'y'"],
  ["set @@global.app_secret = 'hunter2'", 'set @@global.app_secret = <redacted>'],
  ["set global wsrep_sst_auth = 'u:hunter2'", 'set global wsrep_sst_auth = <redacted>'],
  [
    'set @api_key := \'hunter2\', @@session.x_token = "hunter2"',
    'set @api_key := <redacted>, @@session.x_token = <redacted>',
  ],
  [
    "create trigger t before insert on u for each row set password = 'hunter2'",
    'create trigger t before insert on u for each row set password = <redacted>',
  ],
  ["set @password = 'hunter2', @b = 'c'", "set @password = <redacted>, @b = 'c'"],
  ["select @password := 'hunter2', 'x'", "select @password := <redacted>, 'x'"],
  [
    "clone instance from 'u'@'h':3306 identified by 'hunter2' data directory = '/x' require ssl",
    "clone instance from 'u'@'h':3306 identified by <redacted> data directory = '/x' require ssl",
  ],
  [
    "update mysql.user set authentication_string = 'hunter2' where user = 'bob'",
    "update mysql.user set authentication_string = <redacted> where user = 'bob'",
  ],
  [
    "update mysql.user set password = password('hunter2') where user = 'bob'",
    "update mysql.user set password = password(<redacted>) where user = 'bob'",
  ],
  [
    "insert into x values ('a', '*0123456789ABCDEF0123456789ABCDEF01234567')",
    "insert into x values ('a', '<redacted>')",
  ],
  // literals in other forms
  ["alter user bob identified by 'hun' 'ter2'\n\"x\"", 'alter user bob identified by <redacted>'],
  ["set password = _utf8'hunter2'", 'set password = _utf8<redacted>'],
  ["set password = _latin1 x'68756E74657232'", 'set password = _latin1 <redacted>'],
  [
    "alter user bob identified by 'hun\\'ter2' require none",
    'alter user bob identified by <redacted> require none',
  ],
  ["alter user bob identified by n'hunter2'", 'alter user bob identified by <redacted>'],
  [
    "alter /* ' */ user-- \"\n`bo'b`#'\n identified/**/by'hunter2'",
    "alter /* ' */ user-- \"\n`bo'b`#'\n identified/**/by<redacted>",
  ],
  // where statements stand
  [
    "/*!50000 alter user bob identified by 'hunter2' */",
    '/*!50000 alter user bob identified by <redacted> */',
  ],
  ["/*M! set password = 'hunter2' */", '/*M! set password = <redacted> */'],
  [
    "alter user bob /*!50700 identified by*/ 'hunter2'",
    'alter user bob /*!50700 identified by*/ <redacted>',
  ],
  ["explain alter user bob identified by 'hunter2'", 'explain alter user bob identified by <redacted>'],
  ["explain format=json select password('hunter2')", 'explain format=json select password(<redacted>)'],
  [
    "set statement max_statement_time=1 for set password = 'hunter2'",
    'set statement max_statement_time=1 for set password = <redacted>',
  ],
  [
    "select 'a'; alter user bob identified by 'hunter2'; select 'b'",
    "select 'a'; alter user bob identified by <redacted>; select 'b'",
  ],
  [
    "create event e on schedule every 1 day comment 'x' do alter user bob identified by 'hunter2'",
    "create event e on schedule every 1 day comment 'x' do alter user bob identified by <redacted>",
  ],
  [
    "create event e on schedule every 1 day do set password for bob = 'hunter2'",
    'create event e on schedule every 1 day do set password for bob = <redacted>',
  ],
  [
    "create procedure p() comment 'x' begin if a = 'b' then set password = 'hunter2'; end if; start slave password='hunter2'; end",
    "create procedure p() comment 'x' begin if a = 'b' then set password = <redacted>; end if; start slave password=<redacted>; end",
  ],
  [
    "create definer='a'@'b' procedure p() change master to master_password='hunter2'",
    "create definer='a'@'b' procedure p() change master to master_password=<redacted>",
  ],
  ["begin not atomic set password = 'hunter2'; end", 'begin not atomic set password = <redacted>; end'],
  [
    "create procedure p() begin declare v_password text default 'hunter2'; end",
    'create procedure p() begin declare v_password text default <redacted>; end',
  ],
  [
    "/*!99999 ' */ alter user bob identified by 'hunter2' /* ' */",
    "/*!99999 ' */ alter user bob identified by <redacted> /* ' */",
  ],
  // dynamic SQL
  [
    "PREPARE s FROM 'ALTER USER bob IDENTIFIED BY ''hunter2'''",
    "PREPARE s FROM 'ALTER USER bob IDENTIFIED BY <redacted>'",
  ],
  [`execute immediate "set password = 'hunter2'"`, 'execute immediate "set password = <redacted>"'],
  [
    "set @s = 'alter user bob identified by \\'hunter2\\''",
    "set @s = 'alter user bob identified by <redacted>'",
  ],
  [
    "set @s = concat('alter user bob identified by ''', 'hunter2', '''')",
    "set @s = concat('alter user bob identified by ''', <redacted>, '''')",
  ],
  [
    "set @s = concat('create user ''', 'bob', '''@''h'' identified by ''', 'hunter2', '''')",
    "set @s = concat('create user ''', 'bob', '''@''h'' identified by ''', <redacted>, '''')",
  ],
  [
    "set @s = concat('alter user bob identified by ', quote('hunter2'))",
    "set @s = concat('alter user bob identified by ', quote(<redacted>))",
  ],
  [
    "set @p = 'hunter2'; set @s = concat('set password = ''', @p, '''')",
    "set @p = <redacted>; set @s = concat('set password = ''', @p, '''')",
  ],
  [
    'set @s = 0x5345542050415353574f5244203d202768756e7465723227',
    'set @s = 0x5345542050415353574f5244203d20<redacted>',
  ],
  [
    "execute immediate 'select password(?)' using 'hunter2'",
    "execute immediate 'select password(?)' using <redacted>",
  ],
  // what servers refuse
  ['alter user bob identified by hunter2 require ssl', 'alter user bob identified by <redacted>'],
  ["alter user bob identifed by 'hunter2'", 'alter user bob identifed by <redacted>'],
  ["alter user bob identified 'hunter2'", 'alter user bob identified <redacted>'],
  ["alter user bob 'hunter2'", 'alter user bob <redacted>'],
  ["create user bob password 'hunter2'", 'create user bob password <redacted>'],
  ["create usr bob password 'hunter2'", 'create usr bob password <redacted>'],
  ["set password 'hunter2'", 'set password <redacted>'],
  ["set password for bob 'hunter2'", 'set password for bob <redacted>'],
  ['set password = hunter2', 'set password = <redacted>'],
  ["alter user bob identified by 'it's hunter2'", 'alter user bob identified by <redacted>'],
  ['change master to master_password=hunter2', 'change master to master_password=<redacted>'],
  ["chnge master to master_password='hunter2'", 'chnge master to master_password=<redacted>'],
  ["alter user bob identified by 'hunter2", 'alter user bob identified by <redacted>'],
  ["create user bob identified with 'hunter2'", 'create user bob identified with <redacted>'],
  ["select 1 /* set password = 'hunter2' */", 'select 1 /* set password = <redacted> */'],
  ["select 1 -- identified by 'hunter2'", 'select 1 -- identified by <redacted>'],
]

/** Statements without a secret that speak of such things, or look like it. */
export const MYSQL_ORDINARY: readonly string[] = [
  "select * from users where password = 'x' and secret like 'y'",
  "update users set password = 'x', name = 'y' where id = 1",
  "insert into users (name, password) values ('a', 'b') on duplicate key update password = 'c'",
  "replace into secrets set secret = 'x'",
  "delete from users where password = 'x'",
  "insert into t values ('a', 0x0123456789abcdef0123456789abcdef, x'0123456789abcdef')",
  "create table users (id int, password varchar(20) default 'x' comment 'y', key password (password), check (password <> 'x')) comment 'users' charset 'utf8'",
  "alter table users add column password varchar(10) default 'x', alter column secret set default 'y', comment = 'z'",
  "create view v as select 'a' as b from users where password = 'x'",
  "create procedure login(p text) comment 'x' begin select * from users where password = p or name = 'x'; if password = 'x' then update users set password = 'y'; end if; end",
  "create trigger t before update on users for each row set new.name = 'x'",
  'create user bob',
  "drop user 'bob'@'h'",
  "create user 'bob'@'h' identified with auth_socket",
  "create user 'a'@'h', 'b' require subject 'x' issuer 'y' cipher 'z' password expire interval 90 day account lock comment 'c'",
  'create user a identified by random password',
  "alter user 'a'@'h' default role 'r', 'b' password history 5",
  "grant select on passwords to 'bob'@'%'",
  "grant select (password) on shop.secret to bob, 'alice'@'h' with grant option",
  "revoke all on secret.* from 'bob'@'h'",
  "rename user 'a' to 'b'",
  'set password for bob to random',
  "set global validate_password.policy = 'LOW'",
  "set global validate_password_policy = 'LOW', default_password_lifetime = 0, old_passwords = 0",
  "set global caching_sha2_password_private_key_path = '/x'",
  "set names 'utf8', @a = 'b'",
  "show variables like 'validate_password%'",
  "show create user 'bob'@'h'",
  "change master to master_host='h', master_user='u', master_log_file='f', master_ssl_key='/k'",
  "select aes_decrypt(a, b), encode('x', k), md5('x'), sha2('x', 256), json_extract(c, '$.password') from t",
  "call set_up('x', 'password')",
  "load data infile 'f' into table users (name, password) set password = 'x'",
  "select identified, `identified by` from t where a = 'x'",
  "select concat('a', 'b'), \"c\", 'it''s' 'x' from `t` where x = _utf8'y' and z in ('p', \"q\") /* 'c' */ # 'd'",
  'select \'It\\\'s a secret\', "passw\\"ord"',
  "insert into log values ('the password was changed'), ('http://host/path?x=1'), ('mysql://host/db')",
  "explain select * from users where password = 'x'",
  "signal sqlstate '45000' set message_text = 'wrong password'",
  "create event e on schedule every 1 day starts '2030-01-01' comment 'password' do delete from sessions where secret = 'x'",
  "prepare s from 'update users set password = ? where id = ?'",
  'execute s using @password, @id',
  'kill query 5',
  'flush privileges',
  "xa start 'secret'",
  'use `secret`',
]
