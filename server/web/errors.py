# SPDX-License-Identifier: Apache-2.0
"""What the console refuses, with stable codes.

What must not live here: behaviour. Invariants: what was refused changed nothing; who is refused for
their area is told the same as of what does not exist.
"""

from __future__ import annotations

from server.errors import ServerError


class SignInRefused(ServerError):
    """The name, password or code at signing in does not hold."""

    code = "console/sign-in"
    status = 403
    zh = "账号、密码或验证码不对。没有登录，什么都没有改动。请核对后重试。"
    en = "Account, password or code is wrong. You are not signed in; nothing changed. Try again."


class SignInWaits(ServerError):
    """Too many wrong tries for this account from unknown browsers; it waits, at most 15 minutes."""

    code = "console/wait"
    status = 429
    zh = "错误次数太多，请稍候再试。账户没有被锁死，已登录的同事不受影响。"
    en = "Too many wrong tries. Wait a while. The account is not closed; others are unaffected."


class PasswordRefused(ServerError):
    """A new password that is too short, too plain, or names its owner."""

    code = "console/password"
    status = 422
    zh = "这个密码太短、太简单或含有账号姓名。密码没有改动。请另选一个至少十位的密码。"
    en = "This password is too short, too plain or names you. Nothing changed. Choose another."


class AccountRefused(ServerError):
    """An account's id, name, role or area that does not fit, or lies outside one's own area."""

    code = "console/account"
    status = 422
    zh = "账户的编号、姓名、角色或辖区不合要求。没有保存。请更正后重试。"
    en = "The account's id, name, role or area does not fit. Nothing was saved. Correct it."


class RightMissing(ServerError):
    """The role of the account may not do this."""

    code = "console/right"
    status = 403
    zh = "您的角色不能进行此操作。什么都没有改动。如确有需要，请联系账户管理员。"
    en = "Your role may not do this. Nothing changed. Ask the administrator of accounts if needed."


class PageTooOld(ServerError):
    """A form without the token of its session: an old page, or one of another site."""

    code = "console/form-token"
    status = 403
    zh = "页面已过期，未处理提交的内容。什么都没有改动。请返回刷新页面后重试。"
    en = "This page is too old; what it sent was not taken. Go back, reload and try again."


class FormRefused(ServerError):
    """A form with a missing field or a value that does not fit."""

    code = "console/form"
    status = 422
    zh = "表单不完整或有误。没有保存。请按提示补全后重试。"
    en = "The form is incomplete or wrong. Nothing was saved. Complete it and try again."


class PasskeyRefused(ServerError):
    """A passkey that does not prove what it should: another site, challenge or key."""

    code = "console/passkey"
    status = 403
    zh = "这个通行密钥没有通过验证。什么都没有改动。请重试，或改用验证器的六位数字。"
    en = "The passkey does not hold. Nothing changed. Try again, or use the authenticator's digits."


class FactorLast(ServerError):
    """The last second factor of an account is not taken away."""

    code = "console/last-factor"
    status = 409
    zh = "这是您唯一的第二验证方式，不能移除。什么都没有改动。请先添加另一种，再移除它。"
    en = "This is your only second factor; it stays. Nothing changed. Add another one first."
